import ArgumentParser
import Evaluation
import Foundation
import MPI
import Report

/// `kindred evaluate`: a run on a simulated set against the truth.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a run on a simulated set with the truth.",
    discussion: """
      Counts the neighbours whose clean images correlate above 0.9 (inside the disc, at the best \
      in-plane rotation, mirrored as the run says), and measures the angles between viewing \
      directions, the errors of the in-plane rotations of those neighbours, and the correlation of \
      each average with its own clean image. May run under mpirun.
      """)

  @Argument(
    help: ArgumentHelp("The folder that `kindred average` wrote.", valueName: "run-dir"),
    completion: .directory)
  var runFolder: String

  @Option(
    help: "The simulated set: clean.mrcs, and truth.star or rotations.npy.",
    completion: .directory)
  var truth: String

  @Option(help: "Look at so many neighbours of each image, from the best. (default: all)")
  var neighbours: Int?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    if let neighbours, neighbours < 1 {
      throw ValidationError("--neighbours is \(neighbours); at least 1 expected.")
    }
  }

  func run() throws {
    Universe.run(ErrorText.speaker) { comm in
      let evaluation = Evaluation(run: runFolder, truth: truth, neighbours: neighbours)
      if let summary = try evaluation.measure(on: comm, observer: StageClock(comm)) {
        print(json ? try summary.json() : summary.text, terminator: json ? "\n" : "")
      }
    }
  }
}
