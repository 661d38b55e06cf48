import ClassAveraging
import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI
import ParticleIO
import Planning

/// A mistake that the command line itself finds, as the user is told.
struct CommandError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// What the user reads of the libraries' errors.
enum ErrorText {
  /// The exit status of a run that ended early and can go on: EX_TEMPFAIL of sysexits.h, "try again later".
  static let interrupted: Int32 = 75
  /// The exit status after any other error.
  static let failed: Int32 = 1

  static let speaker = ErrorSpeaker(
    name: "kindred", describe: text, status: { $0 is Interruption ? interrupted : failed })

  /// An error in words. Errors of files have their own, as far as no option helps.
  static func text(_ error: any Error) -> String {
    switch error {
    case let error as OptionError: text(error)
    case let error as SurveyError: text(error)
    case let error as ModelError: text(error)
    case let error as BLASMemoryError: text(error)
    case let error as MachineFileError: text(error)
    case let error as Interruption: "stopped (\(text(error.reason))); --resume continues the run"
    case RunFolderError.holdsRun(let folder, let file):
      "\(folder): holds a run already (\(file)); give another folder or --overwrite"
    case let error as InputError where error.remedy == .ignoringCTF:
      "\(error); --no-ctf says on purpose that there is no CTF to correct"
    default: "\(error)"
    }
  }

  /// An option as the user writes it.
  static func name(_ option: OptionName) -> String {
    "--" + words(of: option.rawValue, separator: "-")
  }

  private static func text(_ error: OptionError) -> String {
    switch error {
    case .outOfRange(let option, let found, let needed):
      "\(name(option)) is \(found)\(expectation(needed, of: option))"
    case .tooManyRanks(let ranks, let images):
      "\(ranks) ranks for \(images) images: start at most one rank for each image"
    case .tooManyNeighbours(let option, let found, let images):
      "\(name(option)) is \(found), but each of \(images) images has only \(images - 1) others"
    case .tooFewForNeighbours(let option, let found, let neighbours):
      switch option {
      case .landmarks:
        "\(name(option)) is \(found); more than the \(neighbours) neighbours are needed"
      case .vdmNeighbours:
        "\(name(option)) is \(found), fewer than the \(neighbours) neighbours of --neighbours"
      default:
        "\(name(option)) is \(found), fewer than the \(neighbours) neighbours to choose from them"
      }
    case .needsBayesFactor(let option, let found): needsBayesFactor(option, found)
    case .conflict(let option, let other): conflict(option, other)
    }
  }

  /// What is said of the values that an option may have.
  private static func expectation(_ range: OptionError.Values, of option: OptionName) -> String {
    switch (range, option) {
    case (_, .averages): ""
    case (.atLeast(let least), .rounds), (.atLeast(let least), .slices):
      "; \(least) or more are needed"
    case (.atLeast(let least), _): "; at least \(least) is needed"
    case (.fromZero, .searchBudget): "; a number of core hours from 0 is needed"
    case (.fromZero, _): "; a number from 0 is needed"
    case (.aboveZero, _): "; a positive number is needed"
    case (.zeroToOne, _): "; a probability from 0 to 1 is needed"
    }
  }

  private static func needsBayesFactor(_ option: OptionName, _ found: String) -> String {
    let use = "--search all-pairs or landmarks with --affinity bayes"
    return switch option {
    case .neighbours:
      "--neighbours \(found) goes by probabilities, which only neighbours by the Bayes factor have: "
        + "use \(use), or a number of neighbours"
    case .passes:
      "--passes is \(found), but classes are compared by the Bayes factor: use \(use), or one pass"
    case .rounds:
      "--rounds is \(found), but rounds follow passes among classes: use \(use) and more than one "
        + "pass, or 0 rounds"
    default:
      "\(name(option)) is \(found), but only neighbours by the Bayes factor have them: use \(use)"
    }
  }

  private static func conflict(_ option: OptionName, _ other: OptionName) -> String {
    switch (option, other) {
    case (.neighbours, .probabilities):
      "--neighbours auto goes by probabilities, but --probabilities is none"
    case (.probabilities, .search):
      "--probabilities formula was fitted to all pairs, but the search is landmarks: use simulation, "
        + "none, or --search all-pairs"
    case (.affinity, .search):
      "--affinity none keeps the order of --search rir; all pairs are ordered by an affinity"
    default: "\(name(option)) and \(name(other)) do not go together"
    }
  }

  private static func text(_ error: SurveyError) -> String {
    switch error {
    case .radius(let radius, let halfBox):
      "the particle radius is \(radius) pixels; it must be from 2 to half the box, \(halfBox)"
    case .bandLimit(let limit):
      "the band limit is \(limit) cycles per pixel; it must be above 0, at most 0.5"
    case .badParticles(let first, let count, let all):
      "\(first) (--strict); \(count) of \(all) particles have one"
    case .noNoise(let variance):
      "the noise variance is \(variance): the pixels outside the particle radius hold no noise; give "
        + "--noise-variance"
    }
  }

  private static func text(_ error: ModelError) -> String {
    let check = "check --noise-variance, --radius and --band-limit"
    return switch error {
    case .emptyBasis(let radius, let limit):
      "a particle radius of \(radius) pixels and a band limit of \(limit) cycles per pixel leave no "
        + "basis function; give a larger --radius or a finer --band-limit"
    case .noSignal(let variance):
      "no signal to compare images by: nothing rises above the noise (variance \(variance)); \(check)"
    case .tooFewComponents(let count, let variance, let use):
      "no signal to compare images by: the covariance has \(count) components above the noise "
        + "(variance \(variance))\(use == .invariants ? ", too few for the invariants" : ""); \(check)"
    }
  }

  private static func text(_ error: BLASMemoryError) -> String {
    "too little memory for linear algebra: the system refuses the \(error.neededBytes >> 20) MiB of "
      + "addresses that OpenBLAS needs on --threads \(error.threads)"
      + (error.limit.map { " (ulimit -v is \($0 >> 10) KiB); raise that limit" }
        ?? "; use fewer threads")
  }

  private static func text(_ error: MachineFileError) -> String {
    switch error {
    case .missing(let file): "\(file): no such file; kindred plan --calibrate makes one"
    case .notConstants(let file, let error):
      "\(file): not a file of kindred plan --calibrate: \(error)"
    }
  }

  private static func text(_ reason: StopReason) -> String {
    switch reason {
    case .signal(let signal): signal == SIGTERM ? "SIGTERM" : "SIGUSR1"
    case .timeIsUp(let hours): "--max-hours \(hours)"
    case .anotherRank: "another rank has been asked to stop"
    case .program: "as the program asks"
    }
  }
}
