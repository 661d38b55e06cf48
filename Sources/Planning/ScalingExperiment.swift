import Foundation
import ParticleIO

/// Makes the runs of a scaling experiment, one after the other: where there are several on each number of ranks, one
/// on each number and then the next ones, so that a busy hour of the machine does not fall on one number alone.
public struct ScalingExperiment {
  /// What stays the same for each rank when the images grow.
  public enum Growth: String, CaseIterable, Sendable {
    /// Images grow with the square root of the ranks.
    case pairs
    /// Images grow with the ranks.
    case images

    /// The images for `ranks`, where one rank has `images`.
    public func images(_ images: Int, ranks: Int) -> Int {
      let factor = self == .pairs ? Double(ranks).squareRoot() : Double(ranks)
      return Int((Double(images) * factor).rounded())
    }
  }

  /// Open MPI on one machine or in a job: ranks beyond the cores wait without spinning.
  public static let defaultLauncher = "mpirun -n {ranks} {kindred}"

  /// Where the runs go, each in a folder of its own.
  public var folder: String
  /// The numbers of ranks to run on.
  public var ranks: [Int]
  /// Images of the run on one rank, and of all others where they do not grow.
  public var images: Int
  /// Nil for strong scaling.
  public var growth: Growth?
  /// The set to average; one is simulated where it is nil.
  public var particles: String?
  /// The command that starts the ranks, with `{ranks}` and `{kindred}` in it.
  public var launcher = Self.defaultLauncher
  /// The program's arguments that make a set of so many images in a folder.
  public var simulation: (_ folder: String, _ images: Int) -> [String] = { _, _ in [] }
  /// The program's arguments that average the particles of a STAR file into a folder.
  public var averaging: (_ particles: String, _ output: String) -> [String] = { _, _ in [] }
  /// Whether runs that are there are made again; else they are kept.
  public var overwrite = false
  /// Runs on each number of ranks.
  public var repeats = 1

  /// An experiment with the other properties' defaults.
  public init(folder: String, ranks: [Int], images: Int, growth: Growth?) {
    (self.folder, self.ranks, self.images, self.growth) = (folder, ranks, images, growth)
  }

  /// The program itself.
  private var kindred: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments[0]
  }

  func images(ranks: Int) -> Int { growth?.images(images, ranks: ranks) ?? images }

  /// The command line of a job on `ranks`: the launcher's words, the program, `arguments`. A launcher without
  /// {kindred} gets the program at its end.
  func line(_ arguments: [String], ranks: Int) -> [String] {
    let words = launcher.split(separator: " ").map(String.init)
    let whole = words.contains("{kindred}") ? words : words + ["{kindred}"]
    return whole.map {
      $0 == "{kindred}" ? kindred : $0.replacing("{ranks}", with: String(ranks))
    } + arguments
  }

  /// Simulates what is missing and makes the runs.
  /// - Parameter tell: gets a line before each step.
  /// - Throws: `PlanError` where a step fails; its own messages have been shown.
  public func run(tell: (String) -> Void) throws {
    let manager = FileManager.default
    do {
      try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw OutputError(file: folder, "cannot be made a folder: \(error.localizedDescription)")
    }
    for (name, count) in runs {
      let size = images(ranks: count)
      let set = "\(folder)/sets/images-\(size)"
      if particles == nil, !manager.fileExists(atPath: "\(set)/particles.star") {
        tell("simulating \(size) images in \(set)")
        let most = growth == nil ? ranks.max()! : count
        try start(simulation(set, size), ranks: min(most, size))
      }
      let output = "\(folder)/\(name)"
      if !overwrite, manager.fileExists(atPath: "\(output)/run.json") {
        tell("\(output) is complete")
        continue
      }
      tell("averaging \(size) images on \(count) ranks in \(output)")
      try start(averaging(particles ?? "\(set)/particles.star", output), ranks: count)
    }
  }

  /// The runs' folders and ranks, in their order.
  var runs: [(name: String, ranks: Int)] {
    (1...max(1, repeats)).flatMap { number in
      ranks.map { count in
        let digits = String(count)
        let name = "ranks-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        return (number == 1 ? name : "\(name)-repeat-\(number)", count)
      }
    }
  }

  /// Runs a command to its end; what it prints does not matter, what it complains of is shown.
  private func start(_ arguments: [String], ranks: Int) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line(arguments, ranks: ranks)
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    do { try process.run() } catch {
      throw PlanError("'\(launcher)' cannot be started: \(error.localizedDescription)")
    }
    process.waitUntilExit()
    if process.terminationStatus != 0 {
      throw PlanError(
        "kindred \(arguments[0]) on \(ranks) ranks failed with status \(process.terminationStatus): "
          + process.arguments!.joined(separator: " "))
    }
  }
}
