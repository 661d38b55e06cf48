import os
import re
from pathlib import Path

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class Kindred(Package):
    """Class averages of cryo-EM particle images by the Mahalanobis affinity, over MPI."""

    homepage = "https://arxiv.org/abs/1611.03193"
    # The project that this recipe is part of.
    git = Path(__file__).resolve().parents[6].as_uri()

    license("Apache-2.0")

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("git", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("swift@6.2:", type="build")
    depends_on("openmpi")
    depends_on("fftw@3.3: +mpi precision=float,double")
    depends_on("openblas +shared threads=none")
    depends_on("netlib-scalapack +shared")
    depends_on("arpack-ng@3.8: +mpi +icb +shared")
    depends_on("zlib-api")

    @property
    def names(self):
        """A folder with the names of Debian, which Package.swift asks for."""
        return join_path(self.stage.path, "names")

    @property
    def folders(self):
        """The folders of the libraries. The linker and the loader search the system's last by themselves: named here,
        it would hide other packages' libraries behind its own."""
        names = ("openmpi", "fftw", "openblas", "netlib-scalapack", "arpack-ng", "zlib-api")
        prefixes = [self.spec[name].prefix for name in names]
        # Where lib or lib64 is depends on the package.
        return [f for p in prefixes if p != "/usr" for f in (p.lib, p.lib64) if os.path.isdir(f)]

    def setup_build_environment(self, env):
        env.prepend_path("PKG_CONFIG_PATH", self.names)
        for folder in [self.names] + self.folders:
            env.append_path("LIBRARY_PATH", folder)
        # The processor that Spack compiles for, as clang, Swift's compiler of C, calls it.
        march = re.search(r"-march=(\S+)", self.spec.target.optimization_flags("clang", "17.0"))
        if march:
            env.set("KINDRED_CPU", march.group(1))

    def install(self, spec, prefix):
        mkdirp(self.names)
        libraries = {
            "openblas": ("openblas", spec["openblas"]),
            "lapacke": ("openblas", spec["openblas"]),
            "scalapack-openmpi": ("scalapack", spec["netlib-scalapack"]),
        }
        for name, (library, package) in libraries.items():
            with open(join_path(self.names, name + ".pc"), "w") as file:
                file.write(f"Name: {name}\nDescription: {name}\nVersion: {package.version}\n")
                file.write(f"Libs: -L{package.libs.directories[0]} -l{library}\n")
                file.write(f"Cflags: -I{package.prefix.include}\n")
        # Spack's OpenBLAS holds LAPACKE.
        symlink(spec["openblas"].libs[0], join_path(self.names, "liblapacke.so"))
        arguments = ["build", "-c", "release", "--product", "kindred", "--static-swift-stdlib", "-j", str(make_jobs)]
        # SwiftPM's own sandbox and cache are of no use in Spack's.
        arguments += ["--disable-sandbox", "--cache-path", join_path(self.stage.path, "cache")]
        for folder in self.folders:
            arguments += ["-Xlinker", "-rpath", "-Xlinker", folder]
        # SwiftPM would compile C by CC, Spack's wrapper of GCC, which does not know clang's options.
        os.environ.pop("CC", None)
        swift = Executable(join_path(spec["swift"].prefix.bin, "swift"))
        swift(*arguments)
        mkdirp(prefix.bin)
        install(".build/release/kindred", prefix.bin)
        install_tree("jobscripts", prefix.share.kindred.jobscripts)
