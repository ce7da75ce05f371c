"""The demo environment as a container: an image made here, and what is asked of the control plane for it."""
import demo_image
import docker_engine
from progress import step


class DockerDemo:
    BACKEND = "docker"

    def __init__(self, socket):
        self.socket = socket
        self.image = None

    def prepare(self, _processes, _api):
        if absent := demo_image.missing():
            raise RuntimeError(f"the demo's image is made of this machine's programs, and "
                               f"{', '.join(absent)} is missing: run conf/setup")
        with step("making the demo's image of this machine's packages"):
            archive = demo_image.archive()
            self.image = demo_image.name_of(archive)
            if not docker_engine.has_image(self.socket, self.image):
                docker_engine.import_image(self.socket, self.image, archive, demo_image.SSH_SERVER_AND_PAGE)

    def spec(self):
        return {"image": self.image, "pull": "never", "cpu": 1, "memory": "256MiB", "pids": 256,
                "ports": [{"port": demo_image.SITE_PORT, "access": "public"}]}

    @staticmethod
    def host(environment):
        """Where its sshd answers: (address, port)."""
        return environment["target_ip"], 22
