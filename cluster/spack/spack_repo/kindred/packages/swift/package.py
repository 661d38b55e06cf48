import re

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class Swift(Package):
    """The Swift toolchain, which Spack does not build: install it from
    https://www.swift.org/install/linux/ and run `spack external find --not-buildable swift`."""

    homepage = "https://www.swift.org"
    has_code = False

    executables = [r"^swift$"]

    version("6.3")
    version("6.2")

    @classmethod
    def determine_version(cls, executable):
        output = Executable(executable)("--version", output=str, error=str)
        match = re.search(r"Swift version (\d+(?:\.\d+)+)", output)
        return match.group(1) if match else None

    def install(self, spec, prefix):
        raise InstallError("no swift is known: run `spack external find --not-buildable swift`")
