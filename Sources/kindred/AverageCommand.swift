import ArgumentParser
import ClassAveraging
import Execution
import Foundation
import MPI
import ParticleIO
import Report
import Resume

struct AverageCommand: ParsableCommand, RecordedArguments {
  static let configuration = CommandConfiguration(
    commandName: "average",
    abstract: "Find every particle's neighbours and average them: the main job.",
    discussion: """
      Writes neighbours.npy, affinity.npy, rotation.npy (degrees; rotating the neighbour by it, after \
      reflection y -> -y where reflected.npy is 1, aligns it to the image; positive from x, growing \
      columns, to y, growing rows), averages.mrcs and averages.star (average i belongs to particle i), \
      mean.mrc, eigenimages.mrcs and run.json. Run it under mpirun to share the work.

      SIGUSR1 ends the run with checkpoints in the folder checkpoints of the output and exit status 75; \
      --resume goes on from there.
      """)

  @Argument(help: "RELION STAR file of the particles.")
  var particles: String

  @Option(help: "Folder to write to; made where it is missing.")
  var output: String

  @Option(
    help: """
      Neighbours of each image, K; or auto: as many of up to 50 as are true ones with at least the \
      probability --confidence.
      """)
  var neighbours = NeighbourCount.count(AverageOptions().neighbours)

  @Option(
    help: """
      Particles are looked for at most so far, in A, from where the STAR file says that they are in their boxes, and \
      centred; 0: they are not looked for; default: a tenth of the box.
      """)
  var maxShift: Double?

  @Option(
    help:
      "Least probability of a neighbour with --neighbours auto; default: \(AverageOptions().confidence)."
  )
  var confidence: Double?

  @Option(
    help: """
      Where the neighbours' probabilities come from: simulation (the same search among simulated images \
      like these, as much work again), formula (all pairs only; rough), or none; default: simulation after \
      all pairs and with --neighbours auto, else none.
      """)
  var probabilities: ProbabilitySource?

  @Option(
    help: """
      Suspects of each image that --search rir or landmarks finds and the affinity ranks, S; default: \
      \(AverageOptions().suspectCount) (rir) or \(AverageOptions().candidateCount) (landmarks), more where \
      there are more neighbours.
      """)
  var suspects: Int?

  @Option(
    help: """
      How suspects are found: all-pairs (every pair, exactly), rir (rotationally invariant features), \
      landmarks (every image against the classes of a sample), vdm (vector diffusion map of the graph \
      that --vdm-graph finds, in its own order), or auto (all-pairs where it fits --search-budget, else \
      landmarks).
      """)
  var search = AverageOptions().search

  @Option(help: "Core hours for a pass up to which --search auto compares all pairs.")
  var searchBudget = AverageOptions().searchBudget

  @Option(help: "Images whose classes --search landmarks compares all images with.")
  var landmarks = AverageOptions().landmarks

  @Option(
    help:
      "How suspects are ranked: bayes, mahalanobis, euclidean, or none (the search's own order).")
  var affinity = AffinityChoice(AverageOptions().affinity)

  @Option(
    help: """
      Passes: the first compares images, the others classes; default: they stop by themselves (1 with \
      --search rir or --affinity mahalanobis).
      """)
  var passes: Int?

  @Option(
    help: """
      Rounds in which neighbours are found by the landmarks that images share, after the passes; default: \
      \(AveragePipeline.rounds) after more than one pass, else 0.
      """)
  var rounds: Int?

  @Option(
    help: """
      Slices of a volume, matched to class averages, that all images are compared with after the rounds; 0: none.
      """)
  var slices = AverageOptions().slices

  @Option(help: "How many averages to write, from the first particle on; default: all.")
  var averages: Int?

  @Option(help: "Seed of all random numbers.")
  var seed = AverageOptions().seed

  @Flag(
    help: ArgumentHelp(
      "Write pair-features.npy, what the formula of the probabilities is fitted to.",
      visibility: .hidden))
  var pairFeatures = false

  @Flag(help: "Replace a run that is in the output folder.")
  var overwrite = false

  @OptionGroup(title: "Checkpoints") var checkpoint: CheckpointArguments

  @OptionGroup(title: "Vector diffusion map") var vdm: DiffusionArguments

  @OptionGroup var model: ModelArguments

  func run() throws {
    StopRequest.catchSignals()
    Universe.run(ErrorText.speaker, run(on:))
  }

  /// The run itself. Collective.
  func run(on comm: Communicator) throws {
    let clock = StageClock(comm)
    // What needs no file is refused before any is looked at.
    let watchdogSeconds = try comm.agree {
      try validateOptions()
      return try StallWarning.seconds()
    }
    let stop = try StopRequest(on: comm, hours: checkpoint.maxHours)
    InjectedFault.happenIfAsked(by: stop, in: clock, on: comm)
    try comm.agree {
      if comm.isRoot { try checkpoint.validate(output: output, overwrite: overwrite) }
    }
    if try checkpoint.isDone(output: output, overwrite: overwrite, on: comm) {
      let set = try ParticleSet.read(starFile: particles, ctf: model.ctf, on: comm)
      let options = try comm.agree { try self.options(for: set) }
      try checkpoint.tellDone(output: output, of: set, options: options, on: comm)
      return
    }
    let folder = try comm.agree {
      // Files beside checkpoints are of a run that was killed while it gave them their names, or are to be
      // replaced by the run that goes on.
      let goesOn = checkpoint.resume && Checkpoints.exist(in: output)
      return comm.isRoot ? try RunFolder(path: output, overwrite: overwrite || goesOn) : nil
    }
    try clock.watch(output, seconds: watchdogSeconds, on: comm)
    defer { clock.watchdog?.stop() }
    clock.stageBegan(StageName.input, items: 0)
    let set = try ParticleSet.read(starFile: particles, ctf: model.ctf, on: comm)
    let options = try comm.agree { try self.options(for: set) }
    var record = try RunRecord.begin(
      threads: model.threads, options: self.record, on: comm)
    let checkpoints = try checkpoint.checkpoints(
      output: output, of: set, options: options, stop: stop, on: comm)
    record.identity = options.identity(of: checkpoints.input, images: set.particles.count)
    let pipeline = AveragePipeline(
      options: options, on: comm, observer: clock, checkpoints: checkpoints)
    try InjectedFault.throwIfAsked(at: .model, on: comm)
    let found = try pipeline.findNeighbours(set)
    try InjectedFault.throwIfAsked(at: .averages, on: comm)
    record.enter(found.model)
    record.search = found.search.rawValue
    record.passes = found.passes.map {
      .init(pass: $0.pass, correlation: $0.correlation, weight: $0.weight, kept: $0.kept)
    }

    let count = min(averages ?? set.particles.count, set.particles.count)
    let kept = found.model.survey.originalIndex.prefix { $0 < count }.count
    clock.stageBegan(StageName.lists, items: 0)
    try comm.agree {
      try folder?.write(
        found.table, originalIndex: found.model.survey.originalIndex,
        count: set.particles.count)
      try folder?.write(shiftsOf: found.model.survey, count: set.particles.count)
    }
    let stack =
      count > 0
      ? try RunFolder.stack(
        folder, "averages", of: found.model.survey, from: set, count: count, on: comm) : nil
    let synthesis = try pipeline.average(found, count: kept, into: stack)
    let cost = try checkpoints.cost()
    record.checkpoints = .init(files: cost.files, bytes: cost.bytes, seconds: cost.seconds)
    try record.finish(
      folder, found.model, synthesis, clock: clock, on: comm,
      summary: neighbours == .auto
        ? "\(kept) averages of \(String(format: "%.1f", found.table.meanLength)) neighbours on average in \(output)"
        : "\(kept) averages of \(neighbours) neighbours in \(output)")
    try checkpoints.removeAll()
  }

  /// - Throws: `OptionError` or `CommandError` for what is wrong whatever the particles are. Not the parser's `validate`:
  ///   one rank reports it for all, without the usage.
  func validateOptions() throws {
    try checkpoint.validateNumbers()
    try options().validate()
  }

  /// The options in force for the images of `set`.
  func options(for set: ParticleSet) throws -> AverageOptions {
    var options = try options()
    options.model = try model.options(for: set)
    let largest = Double(set.boxSize) / 4 * set.pixelSize
    if let maxShift, !(maxShift >= 0 && maxShift <= largest) {
      throw CommandError(
        "--max-shift is \(maxShift) A; from 0 to a quarter of the box (\(largest) A) is needed")
    }
    options.model.largestShift = maxShift.map { $0 / set.pixelSize }
    return options
  }

  /// The options, but for the model's lengths.
  /// - Throws: `CommandError` where two do not go together.
  func options() throws -> AverageOptions {
    var options = AverageOptions()
    options.model = model.options
    switch neighbours {
    case .count(let count): options.neighbours = count
    case .auto: options.isLengthAutomatic = true
    }
    if let confidence {
      if neighbours != .auto {
        throw CommandError("--confidence \(confidence) goes with --neighbours auto only")
      }
      options.confidence = confidence
    }
    options.probabilities = probabilities
    options.suspects = suspects
    options.search = search
    options.searchBudget = searchBudget
    options.landmarks = landmarks
    options.passes = passes
    options.rounds = rounds
    options.slices = slices
    options.affinity = affinity.affinity
    options.averages = averages
    options.keepsPairFeatures = pairFeatures
    options.seed = seed
    options.bispectrum.seed = seed
    options.features.seed = seed &+ 1
    options.vdm = vdm.options
    return options
  }
}

/// How many neighbours an image has, as the command line says it.
enum NeighbourCount: ExpressibleByArgument, RecordedValue, CustomStringConvertible, Equatable {
  case count(Int)
  /// As many as are true ones with enough confidence.
  case auto

  init?(argument: String) {
    if argument == "auto" {
      self = .auto
    } else if let count = Int(argument) {
      self = .count(count)
    } else {
      return nil
    }
  }

  var description: String {
    switch self {
    case .count(let count): String(count)
    case .auto: "auto"
    }
  }

  var record: JSONValue {
    switch self {
    case .count(let count): .integer(count)
    case .auto: .string("auto")
    }
  }
}

/// How suspects are ranked, as the command line says it.
struct AffinityChoice: ExpressibleByArgument, RecordedValue, CustomStringConvertible {
  private static let none = "none"

  /// nil for the search's own order.
  let affinity: Affinity?

  init(_ affinity: Affinity?) { self.affinity = affinity }

  init?(argument: String) {
    affinity = Affinity(rawValue: argument)
    if affinity == nil && argument != Self.none { return nil }
  }

  static var allValueStrings: [String] { Affinity.allCases.map(\.rawValue) + [none] }

  var description: String { affinity?.rawValue ?? Self.none }
  var record: JSONValue { .string(description) }
}

extension SearchMethod: ExpressibleByArgument {}
extension ProbabilitySource: ExpressibleByArgument {}
