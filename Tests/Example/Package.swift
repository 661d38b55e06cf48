// swift-tools-version: 6.2
// A package that uses Kindred as a library. By its path: its targets have unsafe flags, which SwiftPM refuses of a
// package that is depended on by its version.

import PackageDescription

let package = Package(
  name: "Example",
  dependencies: [.package(name: "Kindred", path: "../..")],
  targets: [
    .executableTarget(
      name: "Example",
      dependencies: ["MPI", "Execution", "ParticleIO", "ImageModel", "Simulation"].map {
        .product(name: $0, package: "Kindred")
      })
  ],
  swiftLanguageModes: [.v6]
)
