import Execution
import ImageModel
import LinearAlgebra
import MPI

/// A random sample of the images, the reference classes, with their classes: what all images are compared with where
/// there are too many pairs of images.
struct ReferenceClasses {
  /// The reference classes' images, global indices, ascending; `noImage` for those that are of none.
  let images: [Int32]
  /// (I + F) alpha of each reference class's class, reference classes x width, on every rank.
  let statistics: [Float]
  /// F of each block, the same for all classes.
  let information: [Matrix]
  /// How alike classes of neighbours are (`PairModel`).
  let correlation: Double

  static let noImage: Int32 = -1

  /// `count` of `images` images, a function of the seed only; ascending.
  static func draw(_ count: Int, of images: Int, seed: UInt64) -> [Int32] {
    let keys = (0..<images).map { CounterRandom.bits(seed: seed, counter: UInt64($0)) }
    let order = keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
    return order.prefix(count).map { Int32($0) }.sorted()
  }

  /// The statistics and groups of some images, distributed evenly over the ranks. Collective.
  /// - Parameter images: global indices, ascending, the same on all ranks.
  static func sample(
    _ images: [Int32], of rows: CoefficientStore, groups: [Int32], on comm: Communicator
  ) throws -> (rows: CoefficientStore, groups: [Int32]) {
    let partition = Partition(of: images.count, among: comm.size)
    let own = partition.range(of: comm.rank)
    let wanted = Array(images[own])
    let fetched = try rows.fetch(wanted)
    return (
      try CoefficientStore(layout: rows.layout, partition: partition, on: comm) {
        fetched.copy(wanted, to: $0)
      }, images.map { groups[Int($0)] }
    )
  }

  init(images: [Int32], statistics: [Float], information: [Matrix], correlation: Double) {
    self.images = images
    self.statistics = statistics
    self.information = information
    self.correlation = correlation
  }

  /// The reference classes among themselves. Collective.
  /// - Parameters:
  ///   - found: the reference classes' images, and what makes a class.
  ///   - table: their neighbours, before they are cut to those asked for.
  ///   - neighbours: those asked for.
  init(of images: [Int32], _ found: ImageClasses, table: NeighbourTable, neighbours: Int) throws {
    let classes = try found.statistics(of: table)
    let likely = try found.likelyCorrelation(
      of: table, classes.rows, classes.information, neighbours: neighbours)
    let all = images.indices.map { Int32($0) }
    self.init(
      images: images, statistics: try classes.rows.fetch(all).values(of: all),
      information: classes.information, correlation: min(likely, ClassCorrelation.largest))
  }

  /// Compares images (first) with classes (second): the classes' information is that of one more group.
  /// - Throws: `LAPACKError`.
  func pairModel(_ posterior: PosteriorModel) throws -> PairModel {
    try PairModel(
      layout: posterior.layout, information: posterior.information + [information],
      affinity: .bayes, correlation: correlation, withLastGroupOnly: true)
  }
}
