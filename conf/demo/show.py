"""What the quickstart tells people: how to reach the demo, what to try next, how to end it."""
import socket
from pathlib import Path

import demo_image


def shell_word(path):
    text = str(path)
    return text if all(c.isalnum() or c in "/._-+@" for c in text) else "'" + text.replace("'", "'\\''") + "'"


def stop_command(data):
    default = Path(__file__).resolve().parents[2] / "build/quickstart"
    return "conf/quickstart --stop" + ("" if Path(data) == default else f" --data {shell_word(data)}")


def resolves(host):
    """Not every resolver knows that *.localhost is this machine (RFC 6761, section 6.3)."""
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def ssh_by_password(host, port):
    return f"ssh root@{host if resolves(host) else '127.0.0.1'} -p {port}"


def show(ready, headline):
    print(f"{headline}\n")
    if "environment" in ready:
        _show_demo(ready)
    print("To look around:\n" if "environment" in ready else "To make the first environment:\n")
    print(f"  export ENVGATE_CONTROL_SOCKET={shell_word(ready['control_socket'])} "
          f"ENVGATE_ADMIN_SOCKET={shell_word(ready['admin_socket'])}")
    envctl = shell_word(ready["envctl"])
    for line in _next_with_demo(ready) if "environment" in ready else _first_environment(ready):
        print(f"  {envctl} {line}")
    if "audited" in ready and "image" in ready and "environment" in ready:
        _show_audited(ready, envctl)
    print("\nAt the end the demo and all containers are stopped; they are kept for the next start.")
    print(f"Addresses, paths and pids: {ready['data']}/ready.json   logs: {ready['logs']}/")


def _show_demo(ready):
    print(f"  {ready['ssh_by_password']}\n      password: {ready['password']}\n"
          f"  {ready['ssh']}\n      asks nothing: the host key is pinned, and the demo has a key of its own\n"
          f"  {ready['url']}\n")
    print(f"The certificate comes from a local CA, made for this machine and for names under "
          f"{ready['domain']} alone.\nImport {ready['ca']} into the browser, or:\n\n"
          f"  curl --cacert {shell_word(ready['ca'])} {ready['url']}\n")


def _show_audited(ready, envctl):
    print("\nTo have ssh end in the gateway, and what is done there recorded:\n")
    print(f"  {envctl} env create recorded --owner demo --image {ready['image']} --pull never --cpu 1 "
          f"--memory 256MiB --ssh-mode audited --wait")
    print(f"  {envctl} env access recorded    # then log in as it says, or by ssh root+ID@127.0.0.1 "
          f"-p {ready['audited'].rpartition(':')[2]}")
    print(f"  {envctl} session ls    # and: session replay ID, session verify ID")


def _next_with_demo(ready):
    return ["env ls", f"env access {ready['environment']}", f"env rotate {ready['environment']} --wait",
            "gateway sessions"]


def _first_environment(ready):
    quota = "quota set me --cpu 4 --memory 4GiB --gpu 0 --storage 10GiB --environments 4"
    if ready["engine"]:
        return [quota, f"env create first --owner me --image {ready['image']} --pull never --cpu 1 "
                       f"--memory 512MiB --port {demo_image.SITE_PORT}:public --wait", "env access first"]
    return [quota,
            "machine add one --address ADDRESS --admin-key /PATH/OF/ITS/PRIVATE/KEY",
            "env create first --owner me --backend physical --machine one --port 8888 --wait",
            "env access first"]
