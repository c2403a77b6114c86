//! A `connect` that waits for a server handles signals meanwhile, as without a sandbox (signal(7)).

use sandbox_testing::Host;

/// A server whose queue is full, and what is common to all. A signal arrives again and again: one that comes before the call is none that
/// it could be interrupted by.
const FULL: &str = "import ctypes, os, signal, socket, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(0)
def new():
    return socket.socket(socket.AF_UNIX)
def connect(it):
    address = struct.pack('H', socket.AF_UNIX) + path.encode() + b'\\0'
    done = libc.connect(it.fileno(), address, len(address))
    return 'connected' if done == 0 else 'failed %d' % ctypes.get_errno()
first, second = new(), new()
first.connect(path)
handled, heard = os.pipe()
os.set_blocking(heard, False)
signal.set_wakeup_fd(heard, warn_on_full_buffer=False)
signal.signal(signal.SIGALRM, lambda *_: None)
def again_and_again():
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
def when_handled(times, act):
    def wait():
        for _ in range(times):
            os.read(handled, 1)
        act()
    threading.Thread(target=wait, daemon=True).start()
";

/// Before Python takes the handler away.
const END: &str = "
sys.stdout.flush()
os._exit(0)";

/// The same inside and outside, where `python3` runs the script behind [`FULL`].
#[track_caller]
fn is_as_without(script: &str, expected: &str) {
    for path in ["/tmp/full", "@ws/full"] {
        let host = Host::new();
        let path = host.expand(path);
        let script = format!("{FULL}{script}{END}");
        let command = ["/usr/bin/python3", "-c", &script, &path];
        host.sandbox(command).output().succeeds().stdout(expected);
    }
    let host = Host::new();
    let script = format!("{FULL}{script}{END}");
    let path = host.expand("@ws/full");
    let bare = host.bare(["/usr/bin/python3", "-c", &script, &path]);
    bare.output().succeeds().stdout(expected);
}

#[test]
fn a_handler_runs_and_ends_the_call() {
    is_as_without(
        "signal.siginterrupt(signal.SIGALRM, True)
again_and_again()
print(connect(second))
print('handled' if os.read(handled, 1) else '')",
        "failed 4\nhandled",
    );
}

#[test]
fn a_handler_runs_and_the_call_is_made_again() {
    is_as_without(
        "signal.siginterrupt(signal.SIGALRM, False)
when_handled(5, listener.accept)
again_and_again()
print(connect(second))",
        "connected",
    );
}

/// Never, where there is a limit to the time (`SO_SNDTIMEO`).
#[test]
fn a_call_with_a_limit_is_not_made_again() {
    is_as_without(
        "signal.siginterrupt(signal.SIGALRM, False)
second.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 3600, 0))
again_and_again()
print(connect(second))",
        "failed 4",
    );
}

/// Signals of the process are its first thread's; another one that waits as well gets no answer for which it has no signal.
#[test]
fn another_thread_goes_on_waiting() {
    is_as_without(
        "signal.siginterrupt(signal.SIGALRM, False)
third, seen = new(), []
def accept():
    while True:
        listener.accept()
other = threading.Thread(target=lambda: seen.append(connect(third)))
other.start()
when_handled(100, accept)
again_and_again()
print(connect(second))
other.join()
print(*seen)",
        "connected\nconnected",
    );
}

/// One that no other thread can handle.
#[test]
fn another_thread_handles_what_all_others_block() {
    is_as_without(
        "signal.siginterrupt(signal.SIGALRM, True)
seen = []
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
def wait():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    seen.append(connect(second))
other = threading.Thread(target=wait)
other.start()
again_and_again()
other.join()
print(*seen)",
        "failed 4",
    );
}

/// Ctrl-Z and its like.
#[test]
fn who_waits_is_stopped_and_goes_on() {
    is_as_without(
        "import time
pid = os.fork()
if pid == 0:
    print(connect(second), flush=True)
    os._exit(0)
connects = {'x86_64': '42', 'aarch64': '203'}[os.uname().machine]
while open('/proc/%d/syscall' % pid).read().split(' ')[0] != connects:
    time.sleep(0.001)
os.kill(pid, signal.SIGSTOP)
_, status = os.waitpid(pid, os.WUNTRACED)
print('stopped' if os.WIFSTOPPED(status) else 'ended', flush=True)
os.kill(pid, signal.SIGCONT)
listener.accept()
os.waitpid(pid, 0)",
        "stopped\nconnected",
    );
}
