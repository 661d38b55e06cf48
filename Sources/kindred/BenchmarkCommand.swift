import ArgumentParser
import ClassAveraging
import Foundation
import MPI
import Report

/// `kindred benchmark`: how fast this machine compares pairs of images.
struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure how fast this machine compares all pairs of images.",
    discussion: """
      Compares made-up images, and measures the rate of single-precision matrix products on the same \
      cores as the scale. Run it under mpirun as the job will be run.
      """)

  @Option(help: "How many images.")
  var images = SearchBenchmark().images

  @Option(help: "Complex coefficients of an image.")
  var components = SearchBenchmark().components

  @Option(help: "Threads of each rank.")
  var threads = SearchBenchmark().threads

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    for (name, value, least) in [
      ("images", images, 2), ("components", components, 1), ("threads", threads, 1),
    ] where value < least {
      throw ValidationError("--\(name) is \(value); at least \(least) expected.")
    }
  }

  func run() throws {
    Universe.run(ErrorText.speaker) { comm in
      try comm.agree {
        if images < comm.size {
          throw CommandError("\(comm.size) ranks for \(images) images: give more --images")
        }
      }
      var benchmark = SearchBenchmark()
      (benchmark.images, benchmark.components, benchmark.threads) = (images, components, threads)
      let result = try benchmark.run(on: comm)
      if comm.isRoot {
        print(json ? try BenchmarkReport(result).json() : BenchmarkReport(result).text)
      }
    }
  }
}
