import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel
@testable import Resume

/// Statistics of images that show `distinct` clean ones, image i that of number i mod `distinct`.
struct ReferenceSetting {
  let posterior: PosteriorModel
  let statistics: [[Float]]
  var groups: [Int32] { statistics.indices.map { Int32($0 % 3) } }

  init(images: Int, distinct: Int, noiseVariance: Double, on comm: Communicator) throws {
    posterior = try SmallModel(seed: 4).posterior(noiseVariance: noiseVariance, on: comm)
    statistics = try relatedStatistics(posterior, count: images, distinct: distinct, seed: 2)
  }

  func scoring(
    threads: Int, on comm: Communicator, observer: any StageObserver = SilentObserver()
  ) throws -> CandidateScoring {
    let rows = try distributed(statistics, layout: posterior.layout, on: comm)
    return CandidateScoring(
      model: try PairModel(posterior, affinity: .bayes), rows: rows, groups: groups,
      threads: threads, comm: comm, observer: observer)
  }

  func classes(_ scoring: CandidateScoring, members: Int) -> ImageClasses {
    ImageClasses(
      images: ImageSet(posterior: posterior, rows: scoring.rows, groups: scoring.groups),
      rule: ClassRule(members: members),
      context: RunContext(
        comm: scoring.comm, threads: scoring.threads, observer: scoring.observer))
  }

  /// The neighbours found with the classes of `landmarks` images, each compared with all others.
  /// - Parameters:
  ///   - rounds: of `shared` reference classes that follow.
  ///   - blocks: of work, in images compared with reference classes and in pairs of candidates.
  func search(
    references: Int, candidates: Int, neighbours: Int, limit: Int, threads: Int = 1,
    on comm: Communicator, blocks: (chunk: Int, batch: Int)? = nil,
    rounds: Int = 0, shared: Int = 40, checkpoints: Checkpoints? = nil,
    observer: any StageObserver = SilentObserver()
  ) throws -> NeighbourTable {
    let scoring = try scoring(threads: threads, on: comm, observer: observer)
    var search = ReferenceSearch(
      source: classes(scoring, members: neighbours), scoring: scoring,
      limits: RefinementLimits(neighbours: neighbours, most: limit, areAutomatic: false),
      checkpoints: checkpoints, candidates: candidates)
    if let blocks { (search.chunk, search.batch) = blocks }
    let found = try search.run {
      let images = ReferenceClasses.draw(references, of: statistics.count, seed: 5)
      let sample = try ReferenceClasses.sample(
        images, of: scoring.rows, groups: scoring.groups, on: comm)
      let ofSample = CandidateScoring(
        model: scoring.model, rows: sample.rows, groups: sample.groups, threads: threads,
        comm: comm, observer: SilentObserver())
      let own = sample.rows.partition.range(of: comm.rank)
      let table = try ofSample.neighbours(
        of: own.map { Int32($0) },
        candidates: own.flatMap { i in (0..<Int32(references)).filter { $0 != i } },
        neighboursPerImage: neighbours
      )
      return try ReferenceClasses(
        of: images, classes(ofSample, members: neighbours), table: table, neighbours: neighbours)
    }
    let order = try #require(found.classes.images.order)
    if rounds == 0 { return order.inFileOrder(found.table) }
    var sharing = CoAssignmentRounds(
      source: found.classes, checkpoints: checkpoints, seed: 3, references: shared, rounds: rounds)
    if let blocks { (sharing.chunk, sharing.batch) = blocks }
    return order.inFileOrder(try sharing.run(found.table).table)
  }

  /// The share of neighbours that show the same clean image.
  func share(_ table: NeighbourTable, distinct: Int) -> Double {
    let right = table.indices.indices.count {
      table.indices[$0] >= 0
        && Int(table.indices[$0]) % distinct == $0 / table.neighboursPerImage % distinct
    }
    return Double(right) / Double(table.indices.count)
  }
}
