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

let package = Package(
  name: "Kindred",
  products: [
    .executable(name: "kindred", targets: ["kindred"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(
      name: "CFFTW", pkgConfig: "fftw3 fftw3f ompi-c",
      providers: [.apt(["libfftw3-dev", "libfftw3-mpi-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas lapacke",
      providers: [.apt(["libopenblas-dev", "liblapacke-dev"])]),
    .systemLibrary(
      name: "CScaLAPACK", pkgConfig: "scalapack-openmpi",
      providers: [.apt(["libscalapack-openmpi-dev"])]),
    // Its .pc file asks for ARPACK's, which nothing here needs: the module map names the library.
    .systemLibrary(name: "CPARPACK", providers: [.apt(["libparpack2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CShims", dependencies: ["COpenMPI"]),

    .target(name: "MPI", dependencies: ["COpenMPI", "CShims"], swiftSettings: numerical),
    .target(
      name: "LinearAlgebra",
      dependencies: ["MPI", "COpenMPI", "COpenBLAS", "CScaLAPACK", "CPARPACK"],
      swiftSettings: numerical),
    .target(
      name: "Fourier", dependencies: ["MPI", "LinearAlgebra", "CFFTW"], swiftSettings: numerical),
    .target(
      name: "ParticleIO", dependencies: ["MPI", "CShims", "CZlib"], swiftSettings: numerical),
    .target(
      name: "ClassAveraging", dependencies: ["MPI", "LinearAlgebra", "Fourier", "ParticleIO"],
      swiftSettings: numerical),
    .target(
      name: "Simulation", dependencies: ["MPI", "Fourier", "ParticleIO", "ClassAveraging"],
      swiftSettings: numerical),
    .target(
      name: "Report",
      dependencies: ["MPI", "CShims", "Fourier", "ParticleIO", "ClassAveraging", "CFFTW"],
      swiftSettings: numerical),
    .target(
      name: "Planning",
      dependencies: [
        "MPI", "LinearAlgebra", "ParticleIO", "ClassAveraging", "Simulation", "Report",
      ]),
    .executableTarget(
      name: "kindred",
      dependencies: [
        "MPI", "LinearAlgebra", "ParticleIO", "ClassAveraging", "Simulation", "Report", "Planning",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(name: "TestSupport", dependencies: ["MPI"], path: "Tests/TestSupport"),
    .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"], swiftSettings: numerical),
    .testTarget(
      name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "TestSupport"],
      swiftSettings: numerical),
    .testTarget(
      name: "FourierTests", dependencies: ["Fourier", "TestSupport"], swiftSettings: numerical),
    .testTarget(name: "ParticleIOTests", dependencies: ["ParticleIO", "TestSupport"]),
    .testTarget(
      name: "ClassAveragingTests", dependencies: ["ClassAveraging", "TestSupport"],
      swiftSettings: numerical),
    .testTarget(
      name: "SimulationTests", dependencies: ["Simulation", "TestSupport"],
      swiftSettings: numerical),
    .testTarget(name: "ReportTests", dependencies: ["Report", "MPI", "ParticleIO", "TestSupport"]),
    .testTarget(
      name: "PlanningTests", dependencies: ["Planning", "Report", "ParticleIO", "TestSupport"]),
    .testTarget(
      name: "CommandTests", dependencies: ["kindred", "ParticleIO", "TestSupport"],
      swiftSettings: numerical),
  ],
  swiftLanguageModes: [.v6]
)
