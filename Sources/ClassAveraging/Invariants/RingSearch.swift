import COpenBLAS
import LinearAlgebra
import MPI

/// For each image of this rank's slice, the images whose features are most like its own.
public struct RingSearch: OrderedCandidates, Sendable {
  /// The number of images of this rank's slice.
  public let count: Int
  /// The number S of candidates of each image.
  public let candidateCount: Int
  /// Global indices from 0, best first, the image itself excluded; count x suspectCount, row-major.
  public let candidates: [Int32]
  /// 1 where the candidate is more like the image when reflected.
  public let reflected: [UInt8]
  /// Inner product of the feature vectors, with the candidate's reflection where that is better.
  public let scores: [Float]

  /// Compares all pairs of images. Collective.
  ///
  /// Every rank keeps its own features; copies travel round the ring of ranks, each block on its way to the
  /// next rank and the following one arriving while the products with the present one are formed. A pair
  /// scores E + |O| for the inner products E of the even and O of the odd features, reflected where
  /// O < 0; equal scores go by the smaller index. Products are formed on tiles of one fixed shape, and
  /// memory is three blocks of features beside the lists.
  ///
  /// - Parameters:
  ///   - features: of this rank's slice, finite; `partition.range(of: communicator.rank)`.
  ///   - partition: how all images are shared among the ranks.
  ///   - candidateCount: S, less than the number of images.
  ///   - communicator: the ranks that take part.
  ///   - progress: called now and then with the share of the work done, 0 to 1.
  /// - Throws: `MPIError`, and what `progress` throws.
  public init(
    _ features: InvariantFeatures, partition: Partition, candidateCount: Int,
    over communicator: Communicator, progress: ((Double) throws -> Void)? = nil
  ) throws {
    let own = partition.range(of: communicator.rank)
    precondition(partition.parts == communicator.size, "a part for each rank")
    precondition(features.count == own.count, "features of this rank's slice")
    precondition(
      candidateCount > 0 && candidateCount < partition.total, "fewer suspects than images")
    let longest = (0..<communicator.size).map { partition.range(of: $0).count }.max()!
    let width = features.width
    let size = (longest + Tile.columns - 1) / Tile.columns * Tile.columns * width
    let mine = FeatureBlock.allocate(capacity: size)
    var present = FeatureBlock.allocate(capacity: size)
    var next = FeatureBlock.allocate(capacity: size)
    for block in [mine, present] {
      block.initialize(repeating: 0)
      _ = block.update(from: features.values)
    }

    var comparison = Comparison(
      mine: mine, own: own, evenCount: features.evenCount, oddCount: features.oddCount,
      candidateCount: candidateCount)
    let ranks = communicator.size
    for step in 0..<ranks {
      let indices = partition.range(of: (communicator.rank - step + ranks) % ranks)
      let report = { (share: Double) in try progress?((Double(step) + share) / Double(ranks)) }
      if step == ranks - 1 {
        try comparison.compare(with: present, indices: indices) { try report($0) }
      } else {
        var arrival = try communicator.startReceive(
          next, from: (communicator.rank + ranks - 1) % ranks, tag: .features)
        var departure = try communicator.startSend(
          UnsafeBufferPointer(present), to: (communicator.rank + 1) % ranks, tag: .features)
        try comparison.compare(with: present, indices: indices) {
          // MPI moves the messages only when it is called.
          _ = try arrival.test()
          _ = try departure.test()
          try report($0)
        }
        try arrival.wait()
        try departure.wait()
        swap(&present, &next)
      }
    }
    // Not after an error: messages may be under way still, and their memory stays MPI's.
    for block in [mine, present, next] { block.deallocate() }
    comparison.best.sort()
    count = own.count
    self.candidateCount = candidateCount
    candidates = comparison.best.indices
    reflected = comparison.best.reflected
    scores = comparison.best.scores
  }
}

/// Rows of features, row-major, padded with zeros to whole tiles.
private typealias FeatureBlock = UnsafeMutableBufferPointer<Float>

/// The shape of the tiles of scores: they stay in the level 2 cache. Columns are a multiple of rows.
private enum Tile {
  static let rows = 256
  static let columns = 512
}

/// Compares this rank's images with one block after the other.
private struct Comparison {
  let mine: FeatureBlock
  let own: Range<Int>
  let evenCount: Int
  let oddCount: Int
  var best: BestCandidates
  private var even = [Float](repeating: 0, count: Tile.rows * Tile.columns)
  private var odd = [Float](repeating: 0, count: Tile.rows * Tile.columns)

  init(mine: FeatureBlock, own: Range<Int>, evenCount: Int, oddCount: Int, candidateCount: Int) {
    self.mine = mine
    self.own = own
    self.evenCount = evenCount
    self.oddCount = oddCount
    best = BestCandidates(rows: own.count, capacity: candidateCount)
  }

  /// Offers the images `indices`, whose features are in `block`, to every image of this rank.
  mutating func compare(
    with block: FeatureBlock, indices: Range<Int>, advance: (Double) throws -> Void
  ) throws {
    let tiles = Double(
      (own.count + Tile.rows - 1) / Tile.rows * ((indices.count + Tile.columns - 1) / Tile.columns))
    var done = 0.0
    for row in stride(from: 0, to: own.count, by: Tile.rows) {
      for column in stride(from: 0, to: indices.count, by: Tile.columns) {
        multiply(row, block, column, part: 0..<evenCount, into: &even)
        multiply(row, block, column, part: evenCount..<evenCount + oddCount, into: &odd)
        for offset in 0..<min(Tile.rows, own.count - row) {
          select(row: row + offset, offset, column, indices)
        }
        done += 1
        try advance(done / tiles)
      }
    }
  }

  /// Inner products of one tile's rows over some of the features.
  private func multiply(
    _ row: Int, _ block: FeatureBlock, _ column: Int, part: Range<Int>, into tile: inout [Float]
  ) {
    let width = evenCount + oddCount
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(Tile.rows), Int32(Tile.columns),
      Int32(part.count), 1, mine.baseAddress! + row * width + part.lowerBound, Int32(width),
      block.baseAddress! + column * width + part.lowerBound, Int32(width), 0, &tile,
      Int32(Tile.columns))
  }

  /// Offers one row of the tile.
  private mutating func select(row: Int, _ offset: Int, _ column: Int, _ indices: Range<Int>) {
    let count = min(Tile.columns, indices.count - column)
    let first = indices.lowerBound + column
    var threshold = best.threshold(row: row)
    even.withUnsafeBytes { even in
      odd.withUnsafeBytes { odd in
        for start in stride(from: 0, to: count, by: 16) {
          let place = 4 * (offset * Tile.columns + start)
          let e = even.loadUnaligned(fromByteOffset: place, as: SIMD16<Float>.self)
          let o = odd.loadUnaligned(fromByteOffset: place, as: SIMD16<Float>.self)
          let isReflected = o .< 0
          let score = e + o.replacing(with: -o, where: isReflected)
          guard any(score .>= threshold) else { continue }
          for lane in 0..<min(16, count - start) where score[lane] >= threshold {
            let index = first + start + lane
            if index == own.lowerBound + row { continue }
            best.offer(
              row: row, index: Int32(index), score: score[lane], reflected: isReflected[lane])
            threshold = best.threshold(row: row)
          }
        }
      }
    }
  }
}
