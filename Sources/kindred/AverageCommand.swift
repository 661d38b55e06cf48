import ArgumentParser
import ClassAveraging
import MPI
import ParticleIO
import Report

struct AverageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "average",
    abstract: "Find every particle's neighbours and average them: the main job.",
    discussion: """
      Writes neighbours.npy, affinity.npy, rotation.npy (degrees; rotating the neighbour by it, after \
      reflection y -> -y where reflected.npy is 1, aligns it to the image; positive from x, growing \
      columns, to y, growing rows), averages.mrcs and averages.star (average i belongs to particle i), \
      mean.mrc, eigenimages.mrcs and run.json. Run it under mpirun to share the work.
      """)

  @Argument(help: "RELION STAR file of the particles.")
  var particles: String

  @Option(help: "Folder to write to; made where it is missing.")
  var output: String

  @Option(help: "Neighbours of each image, K.")
  var neighbours = 10

  @Option(
    help: """
      Suspects of each image that --search rir finds and the affinity ranks, S; default: 50, or as \
      many as neighbours.
      """)
  var suspects: Int?

  @Option(
    help: """
      How suspects are found: all-pairs (every pair, exactly), rir (rotationally invariant features), \
      vdm (vector diffusion map of the graph that --vdm-graph finds, in its own order), or auto \
      (all-pairs where it fits --search-budget).
      """)
  var search = SuspectSearch.auto

  @Option(help: "Core hours for a pass up to which --search auto compares all pairs.")
  var searchBudget = 16.0

  @Option(
    help:
      "How suspects are ranked: bayes, mahalanobis, euclidean, or none (the search's own order).")
  var affinity = AffinityChoice.bayes

  @Option(
    help: """
      Passes over all pairs: the first compares images, the others classes; default: they stop by \
      themselves (1 with --search rir or --affinity mahalanobis).
      """)
  var passes: Int?

  @Option(help: "How many averages to write, from the first particle on; default: all.")
  var averages: Int?

  @Option(help: "Seed of all random numbers.")
  var seed: UInt64 = 1

  @Flag(help: "Replace a run that is in the output folder.")
  var overwrite = false

  @OptionGroup(title: "Vector diffusion map") var vdm: DiffusionArguments

  @OptionGroup var model: ModelArguments

  func run() throws {
    Universe.run { comm in
      let clock = StageClock(comm)
      let folder = try comm.agree {
        comm.isRoot ? try RunFolder(path: output, overwrite: overwrite) : nil
      }
      let set = try ParticleSet.read(starFile: particles, ctf: model.ctf, on: comm)
      let options = try comm.agree { try self.options(for: set) }
      var record = try RunRecord.begin(
        threads: model.threads, options: recordedOptions, on: comm)
      let pipeline = AveragePipeline(options: options, on: comm, observer: clock)
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
      var writer: ParticleStackWriter?
      try comm.agree {
        try folder?.write(
          found.table, originalIndex: found.model.survey.originalIndex,
          count: set.particles.count)
        if count > 0 {
          writer = try folder?.stack("averages", of: found.model.survey, from: set, count: count)
        }
      }
      let synthesis = try pipeline.average(found, count: kept) { try writer?.append($0) }
      try record.finish(
        folder, found.model, synthesis, clock: clock, on: comm,
        summary: "\(kept) averages of \(neighbours) neighbours in \(output)")
    }
  }

  private func options(for set: ParticleSet) throws -> AverageOptions {
    var options = AverageOptions()
    options.model = try model.options(for: set)
    options.neighbours = neighbours
    options.suspects = suspects
    options.search = search
    options.searchBudget = searchBudget
    options.passes = passes
    options.affinity = affinity.affinity
    options.averages = averages
    options.seed = seed
    options.bispectrum.seed = seed
    options.features.seed = seed &+ 1
    options.vdm = vdm.options
    return options
  }

  private var recordedOptions: [String: JSONValue] {
    model.record.merging(vdm.record) { _, new in new }.merging([
      "particles": .string(particles), "output": .string(output),
      "neighbours": .integer(neighbours), "suspects": JSONValue(suspects),
      "search": .string(search.rawValue), "search_budget": .number(searchBudget),
      "passes": JSONValue(passes), "affinity": .string(affinity.rawValue),
      "averages": JSONValue(averages), "seed": .integer(Int(clamping: seed)),
      "overwrite": .bool(overwrite),
    ]) { _, new in new }
  }
}

/// How suspects are ranked, as the command line says it.
enum AffinityChoice: String, ExpressibleByArgument, CaseIterable {
  case mahalanobis, bayes, euclidean, none

  var affinity: Affinity? {
    switch self {
    case .mahalanobis: .mahalanobis
    case .bayes: .bayes
    case .euclidean: .euclidean
    case .none: nil
    }
  }
}

extension SuspectSearch: ExpressibleByArgument {}
