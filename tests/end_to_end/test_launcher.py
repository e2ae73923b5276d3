"""``autotrack run``: the program cannot tell it from plain python, and is observed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from autotrack.cli.launch import plain_name

AUTOTRACK = [str(Path(sys.executable).with_name("autotrack"))]

PROBE = """
    import json, os, pickle, sys, threading

    class Thing:
        pass

    module = sys.modules["__main__"]
    print(json.dumps({
        "file": __file__ if "__file__" in globals() else None,
        "main is this module": module.__dict__ is globals(),
        "pickled by __main__": type(pickle.loads(pickle.dumps(Thing()))) is Thing,
        "spec": getattr(__spec__, "name", None),
        "loader": type(__loader__).__name__,
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "path": sys.path,
        "flags": [sys.flags.optimize, sys.flags.dev_mode, sys.flags.isolated, sys.flags.no_site, sys.warnoptions],
        "environment": {k: v for k, v in os.environ.items() if k != "_"},
        "threads": threading.active_count(),
    }))
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "probe.py").write_text(textwrap.dedent(PROBE))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(textwrap.dedent(PROBE))
    (tmp_path / "observed.py").write_text("import sys\nprint('autotrack' in sys.modules)\n")
    return tmp_path


@pytest.fixture
def environment(tmp_path):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTRACK_", "PYTHON", "VIRTUAL_ENV", "COV"))}
    return {**kept, "AUTOTRACK_URI": f"sqlite:///{tmp_path}/store/autotrack.db", "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}


def plain(*words, cwd, env):
    return subprocess.run([plain_name(sys.executable), *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def observed(*words, cwd, env):
    return subprocess.run([*AUTOTRACK, "run", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "words",
    [("probe.py", "--lr", "0.1", "-m", "x"), ("-m", "package", "--json"), ("-O", "-W", "error", "probe.py"), ("-uB", "-Xutf8", "probe.py")],
    ids=["script", "module", "options", "joined options"],
)
def test_a_program_sees_what_it_sees_under_plain_python(project, environment, words):
    there = observed(*words, cwd=project, env=environment)
    assert there.stderr == ""
    assert json.loads(there.stdout) == json.loads(plain(*words, cwd=project, env=environment).stdout)


@pytest.mark.parametrize("before", ["", "lib", "lib:other"])
def test_pythonpath_is_given_back(project, environment, before):
    (project / "lib").mkdir()
    environment = {**environment, "PYTHONPATH": before}
    there = observed("probe.py", cwd=project, env=environment)
    assert json.loads(there.stdout) == json.loads(plain("probe.py", cwd=project, env=environment).stdout)


ENDINGS = {
    "return": "print('done')",
    "exception": "def f(n):\n    return 1 / n\n\nf(0)",
    "sys.exit": "import sys\nsys.exit(3)",
    "SystemExit with a text": "raise SystemExit('no')",
    "syntax error": "def f(:",
    "ctrl-c": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)",
    "SIGTERM": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)",
    "SIGKILL": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "os._exit": "import os\nos._exit(7)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_as_under_plain_python(project, environment, ending):
    (project / "end.py").write_text(ENDINGS[ending] + "\n")
    there, here = observed("end.py", cwd=project, env=environment), plain("end.py", cwd=project, env=environment)
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)


@pytest.mark.parametrize("words", [("nowhere.py",), ("-m", "nowhere")], ids=["file", "module"])
def test_a_program_that_is_missing_is_told_by_python(project, environment, words):
    there, here = observed(*words, cwd=project, env=environment), plain(*words, cwd=project, env=environment)
    assert (there.returncode, there.stderr) == (here.returncode, here.stderr)
    assert here.returncode in (1, 2)


def test_the_program_is_observed(project, environment):
    assert observed("observed.py", cwd=project, env=environment).stdout == "True\n"
    assert plain("observed.py", cwd=project, env=environment).stdout == "False\n"


def test_its_children_are_not(project, environment):
    (project / "parent.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, 'observed.py'])\n")
    assert observed("parent.py", cwd=project, env=environment).stdout == "False\n"


def test_disabled_means_untouched(project, environment):
    assert observed("observed.py", cwd=project, env={**environment, "AUTOTRACK_DISABLED": "1"}).stdout == "False\n"
    assert observed("observed.py", cwd=project, env={**environment, "AUTOTRACK_DISABLED": "0"}).stdout == "True\n"


def test_a_wrong_setting_is_said_in_a_line_and_the_program_runs(project, environment):
    done = observed("observed.py", cwd=project, env={**environment, "AUTOTRACK_EXPERIMNT": "x"})
    assert done.stdout == "False\n"
    assert done.stderr.count("\n") == 1
    assert "did you mean AUTOTRACK_EXPERIMENT" in done.stderr
    assert observed("--uri", "nowhere", "observed.py", cwd=project, env=environment).returncode == 1


def test_a_working_directory_that_is_gone(project, environment):
    command = f"mkdir gone; cd gone; rmdir ../gone; {AUTOTRACK[0]} run {project}/observed.py"
    done = subprocess.run(["bash", "-c", command], cwd=project, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_any_command_that_starts_python(project, environment):
    script = f"{sys.executable} observed.py; {sys.executable} observed.py"
    assert observed("--", "bash", "-c", script, cwd=project, env=environment).stdout == "True\nTrue\n"


def test_a_command_without_dashes_is_told_how(project, environment):
    done = observed("bash", "-c", "true", cwd=project, env=environment)
    assert done.returncode == 2
    assert "autotrack run -- bash -c true" in done.stderr


def test_a_command_that_is_missing(project, environment):
    done = observed("--", "no-such-command", cwd=project, env=environment)
    assert (done.returncode, done.stderr) == (127, "autotrack: cannot run no-such-command: No such file or directory\n")


def test_a_broken_pipe_ends_a_command_as_in_a_shell(project, environment):
    done = observed("--", "bash", "-c", "yes | head -1; echo ${PIPESTATUS[0]}", cwd=project, env=environment)
    assert done.stdout == "y\n141\n"


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_a_launcher_passes_it_on_to_every_rank(project, environment, launcher):
    (project / launcher).write_text(
        "import subprocess, sys\nprint('autotrack' in sys.modules, flush=True)\n"
        "for rank in range(2):\n    subprocess.run([sys.executable, *sys.argv[1:]])\n"
    )
    assert observed(launcher, "observed.py", cwd=project, env=environment).stdout == "False\nTrue\nTrue\n"


def test_a_launcher_by_module_passes_it_on(project, environment):
    (project / "torch" / "distributed").mkdir(parents=True)
    (project / "torch" / "distributed" / "run.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, *sys.argv[1:]])\n")
    assert observed("-m", "torch.distributed.run", "observed.py", cwd=project, env=environment).stdout == "True\n"


def test_the_sitecustomize_that_it_hides_runs(project, environment):
    (project / "company").mkdir()
    (project / "company" / "sitecustomize.py").write_text("import sys\nsys.company = True\n")
    (project / "asks.py").write_text(
        "import sys\nprint(sys.company, 'autotrack' in sys.modules, sys.modules['sitecustomize'].__file__.endswith('company/sitecustomize.py'))\n"
    )
    done = observed("asks.py", cwd=project, env={**environment, "PYTHONPATH": str(project / "company")})
    assert (done.stdout, done.stderr) == ("True True True\n", "")


def test_a_hidden_sitecustomize_that_fails_says_what_it_said(project, environment):
    (project / "company").mkdir()
    (project / "company" / "sitecustomize.py").write_text("raise ValueError('broken')\n")
    environment = {**environment, "PYTHONPATH": str(project / "company")}
    there, here = observed("observed.py", cwd=project, env=environment), plain("observed.py", cwd=project, env=environment)
    assert there.stderr == here.stderr * 2 != ""  # once from the launcher's own python
    assert there.stdout == "True\n"


@pytest.mark.parametrize("option", ["-I", "-E", "-S", "-IB"])
def test_options_that_keep_us_out_are_named(project, environment, option):
    done = observed(option, "-c", "import sys; print('autotrack' in sys.modules)", cwd=project, env=environment)
    assert done.returncode == 0
    assert done.stdout == "False\n"
    assert done.stderr.startswith(f"autotrack: python {option[:2]} ")
    assert "unobserved" in done.stderr


def test_a_python_without_autotrack_says_so_in_a_line_and_runs(project, environment):
    import venv

    venv.create(project / "bare", with_pip=False)
    done = observed("observed.py", cwd=project, env={**environment, "VIRTUAL_ENV": str(project / "bare")})
    assert done.stdout == "False\n"
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "cannot import autotrack" in done.stderr
    assert str(project / "bare") in done.stderr


def test_a_module_named_like_a_standard_one_is_the_programs_own(project, environment):
    (project / "inspect.py").write_text("mine = True\n")
    (project / "uses.py").write_text("import inspect\nprint(inspect.mine)\n")
    done = observed("uses.py", cwd=project, env=environment)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_experiment_and_store_are_passed_as_settings(project, environment):
    (project / "says.py").write_text("import os\nprint(os.environ['AUTOTRACK_EXPERIMENT'], os.environ['AUTOTRACK_URI'])\n")
    done = observed("--experiment", "a/b", "--uri=memory:", "says.py", "--experiment", "c", cwd=project, env=environment)
    assert done.stdout == "a/b memory:\n"


def test_without_a_program_it_explains_itself(project, environment):
    done = observed(cwd=project, env=environment)
    assert done.returncode == 2
    assert "autotrack run train.py" in done.stderr


def test_help_is_ours_before_the_program_and_the_programs_after_it(project, environment):
    (project / "asks.py").write_text("import sys\nprint(sys.argv[1:])\n")
    assert "Run an unchanged program" in observed("--help", cwd=project, env=environment).stdout
    assert observed("asks.py", "--help", cwd=project, env=environment).stdout == "['--help']\n"


def test_elsewhere_than_on_linux_it_waits_for_a_child(project, environment, tmp_path):
    """The other way, forced: the same output and the same ends."""
    (project / "code.py").write_text("import sys\nsys.exit(3)\n")
    (project / "killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    pretend = "import sys; sys.platform = 'darwin'; sys.argv[0] = 'autotrack'; from autotrack.cli.main import main; main()"

    def elsewhere(script):
        return subprocess.run([sys.executable, "-c", pretend, "run", script], cwd=project, env=environment, capture_output=True, text=True)

    assert elsewhere("observed.py").stdout == "True\n"
    assert elsewhere("code.py").returncode == 3
    assert elsewhere("killed.py").returncode == -signal.SIGTERM


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_another_python_under_a_virtual_environment(project, environment, version):
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"no python {version} here")
    (project / "env" / "bin").mkdir(parents=True)
    (project / "env" / "bin" / "python").symlink_to(
        subprocess.run([python, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True).stdout.strip()
    )
    done = observed("-c", "import sys; print('%d.%d' % sys.version_info[:2])", cwd=project, env={**environment, "VIRTUAL_ENV": str(project / "env")})
    assert (done.returncode, done.stdout) == (0, f"{version}\n")


def test_a_store_that_nobody_knows_is_said_in_a_line_and_a_typed_one_ends_it(project, environment):
    done = observed("observed.py", cwd=project, env={**environment, "AUTOTRACK_URI": "nope:"})
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("autotrack: no store is known for 'nope:'; known schemes: memory, sqlite")
    assert done.stderr.endswith(": the program runs unobserved\n")
    done = observed("--uri", "nope:", "observed.py", cwd=project, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no store is known for 'nope:'" in done.stderr
