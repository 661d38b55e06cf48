// swift-tools-version: 6.2
// Kindred: class averages of cryo-EM particle images by the Mahalanobis affinity, over MPI.

import PackageDescription

// Debug builds keep assertions and symbols but optimise the numerical modules: an unoptimised
// SIMD loop is some hundred times slower, which would make the tests useless. The processor to
// compile for is the one that builds; a cluster with several kinds of nodes sets KINDRED_CPU
// (for example `x86-64-v3`).
let cpu = Context.environment["KINDRED_CPU"] ?? "native"
let numerical: [SwiftSetting] = [
  .unsafeFlags(["-Xcc", "-march=\(cpu)"]),
  .unsafeFlags(["-O"], .when(configuration: .debug)),
]

/// A library in C, found by pkg-config.
func library(_ name: String, pkgConfig: String?, apt: [String]) -> Target {
  .systemLibrary(
    name: name, path: "Sources/Libraries/\(name)", pkgConfig: pkgConfig, providers: [.apt(apt)])
}

/// A place on the data's way, and what it may look at.
func place(_ name: String, on dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: numerical)
}

/// The tests of a place.
func tests(_ name: String, alsoOn dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies,
    swiftSettings: numerical)
}

/// What another package may import, one module each (`Tests/Example`).
let libraries = [
  "MPI", "LinearAlgebra", "ParticleIO", "Execution", "Resume", "ImageModel", "ClassAveraging",
  "Simulation", "Evaluation",
]

let package = Package(
  name: "Kindred",
  products: [.executable(name: "kindred", targets: ["kindred"])]
    + libraries.map { .library(name: $0, targets: [$0]) },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    // The libraries in C that the rest stands on, and what Swift cannot say by itself.
    library("COpenMPI", pkgConfig: "ompi-c", apt: ["libopenmpi-dev"]),
    library("CFFTW", pkgConfig: "fftw3 fftw3f ompi-c", apt: ["libfftw3-dev", "libfftw3-mpi-dev"]),
    library(
      "COpenBLAS", pkgConfig: "openblas lapacke", apt: ["libopenblas-dev", "liblapacke-dev"]),
    library("CScaLAPACK", pkgConfig: "scalapack-openmpi", apt: ["libscalapack-openmpi-dev"]),
    // Its .pc file asks for ARPACK's, which nothing here needs: the module map names the library.
    library("CPARPACK", pkgConfig: nil, apt: ["libparpack2-dev"]),
    library("CZlib", pkgConfig: "zlib", apt: ["zlib1g-dev"]),
    .target(name: "CShims", dependencies: ["COpenMPI"], path: "Sources/Libraries/CShims"),

    // In the order of the data's way: none may name one that stands after it.
    place("MPI", on: ["COpenMPI", "CShims"]),
    place("LinearAlgebra", on: ["MPI", "COpenMPI", "COpenBLAS", "CScaLAPACK", "CPARPACK"]),
    place("Fourier", on: ["MPI", "LinearAlgebra", "CFFTW"]),
    place("ParticleIO", on: ["MPI", "CShims", "CZlib"]),
    place("Execution", on: ["MPI"]),
    place("Resume", on: ["MPI", "ParticleIO", "Execution"]),
    place(
      "ImageModel", on: ["MPI", "LinearAlgebra", "Fourier", "ParticleIO", "Execution", "Resume"]),
    place("Volumes", on: ["MPI", "LinearAlgebra", "Fourier", "Execution", "ImageModel"]),
    place(
      "ClassAveraging",
      on: [
        "MPI", "LinearAlgebra", "Fourier", "ParticleIO", "Execution", "Resume", "ImageModel",
        "Volumes", "COpenBLAS",
      ]),
    place("Simulation", on: ["MPI", "Fourier", "ParticleIO", "Execution", "CFFTW"]),
    place(
      "Evaluation", on: ["MPI", "LinearAlgebra", "Fourier", "ParticleIO", "Execution", "CFFTW"]),
    place(
      "Report",
      on: [
        "MPI", "CShims", "ParticleIO", "Execution", "Resume", "ImageModel", "ClassAveraging",
        "Evaluation",
      ]),
    place(
      "Planning",
      on: [
        "MPI", "LinearAlgebra", "ParticleIO", "Execution", "ImageModel", "Volumes",
        "ClassAveraging", "Simulation", "Report",
      ]),
    .executableTarget(
      name: "kindred",
      dependencies: [
        "MPI", "LinearAlgebra", "ParticleIO", "Execution", "Resume", "ImageModel",
        "ClassAveraging", "Simulation", "Evaluation", "Report", "Planning", "COpenBLAS",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: numerical),

    .target(
      name: "TestSupport",
      dependencies: ["MPI", "LinearAlgebra", "Fourier", "ParticleIO", "ImageModel"],
      path: "Tests/TestSupport", swiftSettings: numerical),
    tests("MPI"),
    tests("LinearAlgebra", alsoOn: ["MPI", "COpenBLAS"]),
    tests("Fourier", alsoOn: ["MPI", "CFFTW"]),
    tests("ParticleIO", alsoOn: ["MPI"]),
    tests("Execution", alsoOn: ["Simulation"]),
    tests("Resume", alsoOn: ["MPI", "ParticleIO"]),
    tests(
      "ImageModel",
      alsoOn: ["MPI", "LinearAlgebra", "Fourier", "ParticleIO", "Execution", "Resume"]),
    tests("Volumes", alsoOn: ["MPI", "LinearAlgebra", "Fourier", "Execution", "ImageModel"]),
    tests(
      "ClassAveraging",
      alsoOn: [
        "MPI", "LinearAlgebra", "Fourier", "ParticleIO", "Execution", "Resume", "ImageModel",
        "Volumes", "Simulation", "COpenBLAS",
      ]),
    tests("Simulation", alsoOn: ["MPI", "ParticleIO", "Execution"]),
    tests("Evaluation", alsoOn: ["MPI", "ParticleIO"]),
    tests("Report", alsoOn: ["MPI", "Evaluation"]),
    tests("Planning", alsoOn: ["ParticleIO", "ImageModel", "ClassAveraging", "Report"]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "kindred", "MPI", "ParticleIO", "Execution", "ImageModel", "ClassAveraging", "Report",
        "Planning", "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: numerical),
  ],
  swiftLanguageModes: [.v6]
)
