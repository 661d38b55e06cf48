import Execution
import MPI
import Resume
import Volumes

/// Slices of a volume as reference classes: views that have no noise of their own and are spread evenly, where classes are of
/// the images that happen to be there.
///
/// A projection of coefficients a has the principal coordinates D^{-1/2} U^T a, and stands for a class of many images that
/// has them as its posterior mean, compared like a class of images (`ReferenceComparison`).
struct ProjectionReferences {
  /// Statistics of single images, and what makes a class.
  let source: ImageClasses
  let checkpoints: Checkpoints?
  let volume: SimulatedVolume
  let radial: RadialCoordinates
  /// R, projections.
  let count: Int
  let seed: UInt64
  /// L, projections of each image.
  var projectionsPerImage = 100

  /// What a projection weighs, as a class of so many images.
  private static let weight = 200.0

  /// Of the projections' Bayes factors (`CoAssignedNeighbours`): without noise of their own, less than of classes.
  private static let temperature: Float = 1.2

  private var comm: Communicator { source.context.comm }
  private var observer: any StageObserver { source.context.observer }

  /// The neighbours by the projections and classes that images share, `rule.members` of each image, on every rank.
  /// Collective.
  /// - Parameters:
  ///   - table: the neighbours by classes.
  ///   - classes: what shares classes.
  /// - Throws: `LAPACKError`, `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ table: NeighbourTable, sharing classes: CandidateProposal) throws -> NeighbourTable {
    let own = source.rows.partition.range(of: comm.rank)
    observer.stageBegan(StageName.projections, items: own.count * count)
    defer { observer.stageEnded() }
    let projections = try references()
    let best = try ReferenceComparison(
      classes: projections, posterior: source.posterior, rows: source.rows,
      groups: source.images.groups,
      capacity: min(projectionsPerImage, count), threads: source.context.threads, comm: comm,
      observer: observer
    ).run(parts: checkpoints?.comparison(withProjections: projections, from: table), isKept: true)
    let neighbours = CoAssignedNeighbours(source: source)
    return try neighbours.aligned(
      [
        classes,
        neighbours.proposal(
          sharing: best, temperature: Self.temperature, references: count,
          count: source.rule.members),
      ], table, parts: checkpoints?.projectionNeighbours(of: projections, from: table))
  }

  /// The projections, on every rank; each rank makes a part of them. Collective.
  func references() throws -> ReferenceClasses {
    let common = source.information(weight: Self.weight)
    let own = Partition(of: count, among: comm.size).range(of: comm.rank)
    let width = source.rows.width
    var statistics = [Float](repeating: 0, count: own.count * width)
    WorkerPool(threads: source.context.threads, items: own.count) { ProjectionValues(volume) }
      .forEachRow(0..<own.count, of: &statistics, width: width) {
        [volume, radial, seed, posterior = source.posterior] projection, at, statistic in
        projection.fill(
          volume, orientation: RandomOrientation(image: own.lowerBound + at, seed: seed))
        var a = [Float](repeating: 0, count: radial.width)
        a.withUnsafeMutableBufferPointer { radial.expand(projection, into: $0.baseAddress!) }
        var row = posterior.principalCoordinates(of: a)
        posterior.toStatistic(&row, row: 0, under: common)
        for i in 0..<width { statistic[i] = row[i] }
      }
    return ReferenceClasses(
      images: .init(repeating: ReferenceClasses.noImage, count: count),
      statistics: try observer.communicating { try comm.allgatherRagged(statistics) },
      information: common, correlation: ClassCorrelation.largest)
  }
}
