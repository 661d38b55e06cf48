import ArgumentParser
import ClassAveraging
import Foundation
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

  @Option(help: "Suspects of each image that are ranked by the affinity, S.")
  var suspects = 50

  @Option(
    help: """
      How suspects are found: rir (rotationally invariant features), all-pairs (every pair, by the \
      affinity), or vdm (vector diffusion map of the graph that another search finds; its own order is \
      kept).
      """)
  var search = SuspectSearch.rir

  @Option(help: "How suspects are ranked: mahalanobis, bayes, or none (the search's own order).")
  var affinity = AffinityChoice.mahalanobis

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
      let table = try clock.finish(comm)
      record.stages = table.stages
      try comm.agree {
        try folder?.write(
          synthesis, posterior: found.model.posterior, pixelSize: set.pixelSize)
        record.end = Date()
        try folder?.finish { try record.write(to: folder!.file("run.json")) }
      }
      if comm.isRoot {
        print(table.text, terminator: "")
        record.printLeftOut(of: particles)
        print("\(kept) averages of \(neighbours) neighbours in \(output)")
      }
    }
  }

  private func options(for set: ParticleSet) throws -> AverageOptions {
    var options = AverageOptions()
    options.model = try model.options(for: set)
    options.neighbours = neighbours
    options.suspects = suspects
    options.search = search
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
      "neighbours": .integer(neighbours), "suspects": .integer(suspects),
      "search": .string(search.rawValue), "affinity": .string(affinity.rawValue),
      "averages": JSONValue(averages), "seed": .integer(Int(clamping: seed)),
      "overwrite": .bool(overwrite),
    ]) { _, new in new }
  }
}

/// How suspects are ranked, as the command line says it.
enum AffinityChoice: String, ExpressibleByArgument, CaseIterable {
  case mahalanobis, bayes, none

  var affinity: Affinity? {
    switch self {
    case .mahalanobis: .mahalanobis
    case .bayes: .bayes
    case .none: nil
    }
  }
}

extension SuspectSearch: ExpressibleByArgument {}
