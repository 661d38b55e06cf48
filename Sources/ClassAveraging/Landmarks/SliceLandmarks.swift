import Execution
import MPI
import Resume
import Volumes

/// Slices of a volume as landmarks: views that have no noise of their own and are spread evenly, where classes are of
/// the images that happen to be there.
///
/// A slice of coefficients a has the principal coordinates D^{-1/2} U^T a, and stands for a class of many images that
/// has them as its posterior mean, compared like a class of images (`LandmarkComparison`).
struct SliceLandmarks {
  /// Statistics of single images, and what makes a class.
  let source: ImageClasses
  let checkpoints: Checkpoints?
  let volume: SimulatedVolume
  let radial: RadialCoordinates
  /// R, slices.
  let count: Int
  let seed: UInt64
  /// L, slices of each image.
  var slicesPerImage = 100

  /// What a slice weighs, as a class of so many images.
  private static let weight = 200.0

  /// Of the slices' Bayes factors (`SharedNeighbours`): without noise of their own, less than of classes.
  private static let softening: Float = 1.2

  private var comm: Communicator { source.context.comm }
  private var observer: any StageObserver { source.context.observer }

  /// The neighbours by the slices and classes that images share, `rule.members` of each image, on every rank.
  /// Collective.
  /// - Parameters:
  ///   - table: the neighbours by classes.
  ///   - classes: what shares classes.
  /// - Throws: `LAPACKError`, `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ table: NeighbourTable, sharing classes: CandidateProposal) throws -> NeighbourTable {
    let own = source.rows.partition.range(of: comm.rank)
    observer.stageBegan(StageName.slices, items: own.count * count)
    defer { observer.stageEnded() }
    let slices = try landmarks()
    let best = try LandmarkComparison(
      classes: slices, posterior: source.posterior, rows: source.rows, groups: source.images.groups,
      capacity: min(slicesPerImage, count), threads: source.context.threads, comm: comm,
      observer: observer
    ).run(parts: checkpoints?.comparison(withSlices: slices, from: table), isKept: true)
    let neighbours = SharedNeighbours(source: source)
    return try neighbours.aligned(
      [
        classes,
        neighbours.proposal(
          sharing: best, softening: Self.softening, landmarks: count, count: source.rule.members),
      ], table, parts: checkpoints?.sliceNeighbours(of: slices, from: table))
  }

  /// The slices, on every rank; each rank makes a part of them. Collective.
  func landmarks() throws -> LandmarkClasses {
    let common = source.information(weight: Self.weight)
    let own = Partition(of: count, among: comm.size).range(of: comm.rank)
    let width = source.rows.width
    var statistics = [Float](repeating: 0, count: own.count * width)
    WorkerPool(threads: source.context.threads, items: own.count) { SliceValues(volume) }
      .forEachRow(0..<own.count, of: &statistics, width: width) {
        [volume, radial, seed, posterior = source.posterior] slice, at, statistic in
        slice.fill(
          volume, orientation: RandomOrientation(image: own.lowerBound + at, seed: seed))
        var a = [Float](repeating: 0, count: radial.width)
        a.withUnsafeMutableBufferPointer { radial.expand(slice, into: $0.baseAddress!) }
        var row = posterior.principalCoordinates(of: a)
        posterior.restate(&row, row: 0, under: common)
        for i in 0..<width { statistic[i] = row[i] }
      }
    return LandmarkClasses(
      images: .init(repeating: LandmarkClasses.noImage, count: count),
      statistics: try observer.communicating { try comm.allgatherRagged(statistics) },
      information: common, correlation: ClassCorrelation.largest)
  }
}
