import LinearAlgebra
import MPI

/// A random sample of the images with its classes: what all images are compared with where there are too
/// many pairs of images.
///
/// The sample is searched exactly, passes among classes included (`ClassPasses`), so that each landmark's
/// class has a far better posterior than one image.
struct LandmarkClasses {
  /// The landmarks' images, global indices, ascending.
  let images: [Int32]
  /// (I + F) alpha of each landmark's class, landmarks x width, on every rank.
  let statistics: [Float]
  /// F, the same for all classes: of each block.
  let information: [Matrix]
  /// How alike classes of neighbours are (`PairModel`).
  let correlation: Double

  /// `count` of `images` images, drawn by a counter-based generator: a function of the seed only.
  static func draw(_ count: Int, of images: Int, seed: UInt64) -> [Int32] {
    let keys = (0..<images).map { CounterRandom.bits(seed: seed, counter: UInt64($0)) }
    let order = keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
    return order.prefix(count).map { Int32($0) }.sorted()
  }

  /// The drawn images' statistics and groups, distributed evenly over the ranks. Collective.
  static func sample(_ images: [Int32], of rows: DistributedRows, groups: [Int32], on comm: Communicator)
    throws -> (rows: DistributedRows, groups: [Int32])
  {
    let partition = Partition(of: images.count, among: comm.size)
    let fetched = try rows.fetch(Array(images[partition.range(of: comm.rank)]))
    return (
      DistributedRows(fetched, width: rows.width, partition: partition, on: comm),
      images.map { groups[Int($0)] }
    )
  }

  /// The classes of a sample's neighbours. Collective.
  /// - Parameters:
  ///   - passes: the passes among the sample's classes.
  ///   - table: their result, before it is cut to the neighbours asked for.
  init(of images: [Int32], _ passes: ClassPasses, table: NeighbourTable, on comm: Communicator) throws {
    self.images = images
    let classes = try passes.classStatistics(table)
    statistics = try comm.allgatherRagged(classes.rows.local)
    information = classes.information
    correlation = min(
      try passes.likelyCorrelation(classes.rows, classes.information, table),
      ClassPasses.largestCorrelation)
  }
}
