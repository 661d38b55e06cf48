import ArgumentParser
import Foundation
import MPI
import Planning
import Simulation

/// `kindred scale`: how the time of `average` falls with the ranks.
struct ScaleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "Measure how the time of average falls with the number of ranks.",
    discussion: """
      Simulates images, runs `kindred average` on each number of ranks into OUTPUT/ranks-0001 and so on, \
      and writes scaling.csv, scaling.json and scaling.svg, of each number's run with the median time where \
      there are several (ranks-0001-repeat-2 and so on). Start it without mpirun: it starts the runs itself. \
      Options after -- go to `kindred average`, after --search all-pairs. With --collect, only brings \
      together runs that are there, DIR/*/run.json.
      """)

  @Option(help: "Folder for the set, the runs and the figures.")
  var output: String?

  @Option(help: "Only collect the runs in this folder, and write the figures there.")
  var collect: String?

  @Option(help: "Numbers of ranks, separated by commas.")
  var ranks = "1,2,4"

  @Option(
    help: """
      Runs on each number of ranks, one of each number after the other; those with the median time \
      count.
      """)
  var repeats = 1

  @Option(help: "Images; with --weak, images on one rank.")
  var images = SimulationParameters().images

  @Flag(help: "Weak scaling: the images grow with the ranks.")
  var weak = false

  @Option(
    help: """
      What stays the same for each rank with --weak: pairs (images grow with the square root of the \
      ranks) or images.
      """)
  var growth = ScalingExperiment.Growth.pairs

  @Option(help: "RELION STAR file to average, instead of a simulated set.")
  var particles: String?

  @Option(
    parsing: .unconditional,
    help: "Options of kindred simulate, in one argument, separated by spaces.")
  var simulate = ""

  @Option(
    help: "How a run is started: {ranks} stands for the number of ranks, {kindred} for the program."
  )
  var launcher = ScalingExperiment.defaultLauncher

  @Option(help: "Constants of the model's line; default: those of plan --calibrate, or built in.")
  var machine: String?

  @Flag(help: "Runs that are in the output folder are made again.")
  var overwrite = false

  @Argument(parsing: .postTerminator, help: "After --: options of kindred average.")
  var averageOptions: [String] = []

  func validate() throws {
    if (output == nil) == (collect == nil) {
      throw ValidationError("Give either --output or --collect.")
    }
    if images < 2 { throw ValidationError("--images is \(images); at least 2 expected.") }
    if repeats < 1 { throw ValidationError("--repeats is \(repeats); at least 1 expected.") }
    if weak && particles != nil {
      throw ValidationError("--weak simulates sets of several sizes; --particles gives only one.")
    }
    _ = try counts()
  }

  private func counts() throws -> [Int] {
    let counts = ranks.split(separator: ",").map { Int($0) ?? 0 }
    guard !counts.isEmpty, counts.allSatisfy({ $0 >= 1 }) else {
      throw ValidationError(
        "--ranks is '\(ranks)'; numbers of ranks separated by commas expected, such as 1,2,4.")
    }
    return Array(Set(counts)).sorted()
  }

  /// Not inside `Universe.run`: a process that has started MPI cannot start mpirun.
  func run() throws {
    do {
      let model = CostModel(machine: try MachineChoice.machine(at: machine))
      if let output {
        var experiment = ScalingExperiment(
          folder: output, ranks: try counts(), images: images, growth: weak ? growth : nil)
        experiment.particles = particles
        experiment.launcher = launcher
        experiment.simulation = { folder, images in
          ["simulate", "--output", folder, "--images", String(images), "--overwrite"]
            + simulate.split(separator: " ").map(String.init)
        }
        // All runs search alike, whatever their size; of an option that is given twice the last one counts.
        experiment.averaging = { particles, output in
          ["average", particles, "--output", output, "--overwrite", "--search", "all-pairs"]
            + averageOptions
        }
        experiment.overwrite = overwrite
        experiment.repeats = repeats
        try experiment.run { writeToStandardError("\($0)\n") }
      }
      let folder = output ?? collect!
      let report = ScalingReport(try ScalingStudy(collecting: folder), model: model)
      try report.write(to: folder)
      print(report.text, terminator: "")
      print("\(folder)/scaling.csv, scaling.json, scaling.svg")
    } catch {
      ErrorText.speaker.tell(error)
      Foundation.exit(ErrorText.failed)
    }
  }
}

extension ScalingExperiment.Growth: ExpressibleByArgument {}

/// The constants that a command uses.
enum MachineChoice {
  /// Those of the file that is named, else those that a calibration has left, else those built in.
  static func machine(at path: String?) throws -> Machine {
    if let path { return try Machine.read(from: path) }
    let usual = Machine.defaultPath
    return FileManager.default.fileExists(atPath: usual)
      ? try Machine.read(from: usual) : .builtIn
  }
}
