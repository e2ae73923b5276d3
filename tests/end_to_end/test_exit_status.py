"""A run's status tells the truth, however its program ends. Each case is a program of its own."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import autotrack

PLAIN = "import autotrack\nrun = autotrack.start_run('plain')\nrun.log({'x': 1.0}, step=0)\n"


def run(store, program, *, expect=None):
    """Run a program in the project's folder; its result, and the runs that it left."""
    (store.parent / "train.py").write_text(textwrap.dedent(program))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")} | {"AUTOTRACK_STRICT": "1"}
    done = subprocess.run([sys.executable, "train.py"], cwd=store.parent, env=environment, capture_output=True, text=True, timeout=60)
    if expect is not None:
        assert done.returncode == expect, done.stderr
    return done, [autotrack.get_run(found.id) for found in autotrack.search_runs(order_by="started")]


KILL = "import os, signal; os.kill(os.getpid(), signal."
ENDINGS = {
    "return": ("pass", 0, "finished", None),
    "sys.exit()": ("import sys; sys.exit()", 0, "finished", None),
    "sys.exit(0)": ("import sys; sys.exit(0)", 0, "finished", None),
    "sys.exit(3)": ("import sys; sys.exit(3)", 3, "failed", "SystemExit: 3"),
    "sys.exit('words')": ("import sys; sys.exit('words')", 1, "failed", "SystemExit: words"),
    "exit(3)": ("exit(3)", 3, "failed", "SystemExit: 3"),
    "quit()": ("quit()", 0, "finished", None),
    "argparse": ("import argparse; argparse.ArgumentParser().parse_args(['--no'])", 2, "failed", "SystemExit: 2"),
    "exception": ("def train(): raise ValueError('too hot')\ntrain()", 1, "failed", "ValueError: too hot"),
    "Ctrl-C": (f"{KILL}SIGINT)\nimport time; time.sleep(5)", -signal.SIGINT, "interrupted", "KeyboardInterrupt"),
    "SIGTERM": (f"{KILL}SIGTERM)\nimport time; time.sleep(5)", -signal.SIGTERM, "interrupted", None),
    "SIGKILL": (f"{KILL}SIGKILL)", -signal.SIGKILL, "lost", None),
    "os._exit": ("import os; os._exit(0)", 0, "lost", None),
    "caught": ("try: 1 / 0\nexcept ZeroDivisionError: pass", 0, "finished", None),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_plainly_opened_run(store, ending):
    code, exit_code, status, error = ENDINGS[ending]
    bare = run_bare(store, code)
    done, (view,) = run(store, PLAIN + code, expect=exit_code)
    assert (view.status, view.error, dict(view.metrics)) == (status, error, {"x": 1.0})
    assert bool(view.traceback) == (ending in ("exception", "Ctrl-C"))
    assert (done.returncode, done.stdout) == (bare.returncode, bare.stdout)
    shift = PLAIN.count("\n")
    assert without_lines(done.stderr, shift) == without_lines(bare.stderr, 0)


def run_bare(store, code):
    (store.parent / "train.py").write_text(code)
    return subprocess.run([sys.executable, "train.py"], cwd=store.parent, capture_output=True, text=True, timeout=60)


def without_lines(text, shift):
    """The text, its line numbers moved up."""
    import re

    return re.sub(r"line (\d+)", lambda found: f"line {int(found[1]) - shift}", text)


@pytest.mark.parametrize("ending", ["return", "sys.exit(3)", "exception", "Ctrl-C", "SIGKILL"])
def test_a_run_of_a_with_block(store, ending):
    code, exit_code, status, error = ENDINGS[ending]
    block = textwrap.indent(f"run.log({{'x': 1.0}}, step=0)\n{code}\n", "    ")
    _, (view,) = run(store, f"import autotrack\nwith autotrack.start_run('block') as run:\n{block}", expect=exit_code)
    assert (view.status, view.error, dict(view.metrics)) == (status, error, {"x": 1.0})


def test_ctrl_c_in_an_event_loop_is_an_interruption(store):
    program = """
        import asyncio, os, signal, sys
        import autotrack

        async def main():
            with autotrack.start_run("block") as run:
                run.log({"x": 1.0})
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0.5 if sys.version_info < (3, 11) else 5)

        asyncio.run(main())
    """
    _, (view,) = run(store, program)
    assert view.status == "interrupted"


def test_a_generator_that_is_left_early_is_interrupted(store):
    def losses():
        with autotrack.start_run("inside") as run:
            for step in range(5):
                run.log({"loss": 1.0 / (step + 1)}, step=step)
                yield run

    for inside in losses():
        break
    del inside
    assert [(found.name, found.status) for found in autotrack.search_runs()] == [("inside", "interrupted")]


def test_nested_plain_runs_all_end(store):
    _, views = run(store, "import autotrack\nautotrack.start_run('a')\nautotrack.start_run('b')\nraise ValueError('no')", expect=1)
    assert [(view.name, view.status) for view in views] == [("a", "failed"), ("b", "failed")]


def test_an_error_of_before_is_none_of_the_runs(store):
    program = """
        import autotrack, sys
        sys.last_value = ValueError("of an earlier cell")
        autotrack.start_run("a")
    """
    _, (view,) = run(store, program, expect=0)
    assert (view.status, view.error) == ("finished", None)


def test_an_excepthook_of_the_user_is_his(store):
    program = """
        import sys, autotrack
        def hook(kind, error, trace):
            print("mine:", error)
        sys.excepthook = hook
        autotrack.start_run("a")
        assert sys.excepthook is hook
        raise ValueError("no")
    """
    done, (view,) = run(store, program, expect=1)
    assert done.stdout == "mine: no\n"
    assert (view.status, view.error) == ("failed", "ValueError: no")


def test_sys_exit_in_a_thread_ends_only_the_thread(store):
    program = """
        import sys, threading, autotrack
        autotrack.start_run("a")
        thread = threading.Thread(target=lambda: sys.exit(3))
        thread.start(); thread.join()
    """
    _, (view,) = run(store, program, expect=0)
    assert view.status == "finished"


def test_a_forked_child_never_ends_its_parents_run(store):
    program = """
        import os, sys, autotrack
        with autotrack.start_run("parent") as run:
            pid = os.fork()
            if pid == 0:
                run.log({"child": 1.0}, step=0)
                run.finish("failed")
                sys.exit(3)
            os.waitpid(pid, 0)
            run.log({"parent": 1.0}, step=0)
        plain = autotrack.start_run("plain")
        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        os.waitpid(pid, 0)
    """
    _, (first, second) = run(store, program, expect=0)
    assert (first.name, first.status, dict(first.metrics)) == ("parent", "finished", {"child": 1.0, "parent": 1.0})
    assert (second.name, second.status) == ("plain", "finished")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_open_no_automatic_run_but_record_explicitly(store, method):
    program = f"""
        import multiprocessing, sys
        def work(n):
            import autotrack
            from autotrack.recording.runs import open_run
            assert open_run("sklearn", stem="Ridge").is_silent
            run = autotrack.start_run(f"child {{n}}")
            run.log({{"x": float(n)}}, step=0)
            if n == 1:
                raise ValueError("no")
            if n == 2:
                sys.exit(5)
        if __name__ == "__main__":
            import autotrack
            with autotrack.start_run("parent"):
                children = [multiprocessing.get_context("{method}").Process(target=work, args=(n,)) for n in range(3)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                assert [child.exitcode for child in children] == [0, 1, 5]
    """
    _, views = run(store, program, expect=0)
    found = {view.name: (view.status, view.error, dict(view.metrics)) for view in views}
    assert found == {
        "parent": ("finished", None, {}),
        "child 0": ("finished", None, {"x": 0.0}),
        "child 1": ("failed", "ValueError: no", {"x": 1.0}),
        "child 2": ("failed", "SystemExit: 5", {"x": 2.0}),
    }
    parents = {view.name: view.parent_id for view in views}
    assert (parents["child 0"] is not None) == (method == "fork")


def test_children_may_record_where_it_is_allowed(store):
    program = """
        import multiprocessing, os
        os.environ["AUTOTRACK_CHILDREN"] = "1"
        def work():
            from autotrack.recording.runs import open_run
            open_run("sklearn", stem="Ridge").end("finished")
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
    """
    _, (view,) = run(store, program, expect=0)
    assert (view.name, view.status) == ("Ridge-1", "finished")


def test_what_is_recorded_at_exit_is_not_lost(store):
    program = """
        import atexit, autotrack
        def late():
            run.log({"late": 1.0}, step=1)
            run.log_text("late.txt", "x")
        run = autotrack.start_run("a")
        atexit.register(late)
    """
    _, (view,) = run(store, program, expect=0)
    assert (view.status, view.metrics["late"], [a.name for a in view.artifacts]) == ("finished", 1.0, ["late.txt"])


def test_warnings_as_errors_change_nothing(store):
    (store.parent / "train.py").write_text(PLAIN + "run.log_text('a.txt', 'b')\nrun.log_params({'x': 1})\nrun.log_params({'x': 2})\n")
    done = subprocess.run([sys.executable, "-W", "error", "train.py"], cwd=store.parent, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert "parameter 'x' was 1 and is now 2" in done.stderr


def test_the_users_logging_is_as_without_us(store):
    program = """
        import logging
        {}
        logging.basicConfig(format="%(name)s %(levelname)s %(message)s", level=logging.INFO)
        logging.getLogger("mine").info("hello")
        assert len(logging.getLogger().handlers) == 1
    """
    (store.parent / "plain.py").write_text(textwrap.dedent(program.format("pass")))
    bare = subprocess.run([sys.executable, "plain.py"], cwd=store.parent, capture_output=True, text=True, timeout=60)
    done, _ = run(store, program.format("import autotrack; autotrack.start_run('a').log({'x': 1.0})"), expect=0)
    assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)


TERMINAL = """
import os, pty, sys
def read(fd):
    return os.read(fd, 10_000)
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "train.py"], read)))
"""


@pytest.mark.parametrize(("quiet", "said"), [("0", True), ("1", False)])
def test_one_line_at_exit_for_a_terminal(store, quiet, said):
    (store.parent / "train.py").write_text("import autotrack\nfor _ in range(3):\n    autotrack.start_run('a').finish()\n")
    environment = {**os.environ, "AUTOTRACK_QUIET": quiet}
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL], cwd=store.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    line = f"autotrack: 3 runs recorded in {store}; see them with: autotrack ls"
    assert (line in done.stdout.replace("\r\n", "\n").splitlines()) is said, done


def test_ctrl_c_again_while_the_store_is_waited_for_ends_at_once_and_without_a_word(store):
    program = PLAIN + """
import os, signal, sqlite3, subprocess, sys
autotrack.flush()
other = sqlite3.connect(".autotrack/autotrack.db", isolation_level=None)
other.execute("begin immediate")
run.log({"x": 2.0}, step=1)
subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1.5); os.kill({os.getpid()}, 2)"])
"""
    done, (view,) = run(store, program, expect=0)
    assert done.stderr == ""
    assert (view.status, view.history("x").values.tolist()) == ("finished", [1.0, 2.0])
