import COpenBLAS
import Execution
import MPI

/// For each image of this rank's slice, the nearest images by the affinity of the vector diffusion map,
/// every pair compared, with the better of the two reflections.
struct DiffusionSearch: OrderedCandidates {
  let count: Int
  let candidateCount: Int
  let candidates: [Int32]
  let reflected: [UInt8]
  /// The sum over frequencies of |v_j^H v_i|^2, or of |v_j^T v_i|^2 where j is reflected; 0 to 1.
  let scores: [Float]

  /// Blocks of vectors travel round the ring of ranks; memory is three blocks beside
  /// the lists. An image that the map does not reach keeps the graph's neighbours, with
  /// affinity 0. Collective.
  init(
    _ map: VectorDiffusionMap, graph: ConnectionGraph, partition: Partition, candidateCount: Int,
    on comm: Communicator, observer: any StageObserver
  ) throws {
    let (rank, size) = (comm.rank, comm.size)
    let own = graph.images
    let width = 2 * map.eigenvectors * map.frequencies
    var comparison = DiffusionComparison(map, own: own, capacity: candidateCount)
    let longest = partition.range(of: 0).count * width
    var present = UnsafeMutableBufferPointer<Double>.allocate(capacity: longest)
    defer { present.deallocate() }
    var next = UnsafeMutableBufferPointer<Double>.allocate(capacity: longest)
    defer { next.deallocate() }
    for block in [present, next] { block.initialize(repeating: 0) }
    _ = present.update(fromContentsOf: map.coordinates)
    for step in 0..<size {
      let indices = partition.range(of: (rank - step + size) % size)
      if step == size - 1 {
        comparison.compare(with: present.baseAddress!, indices: indices)
      } else {
        // Slices differ in length by one: whole buffers travel.
        var arrival: Request? = try comm.startReceive(
          next, from: (rank + size - 1) % size, tag: .diffusionVectors)
        var departure: Request? = try comm.startSend(
          UnsafeBufferPointer(present), to: (rank + 1) % size, tag: .diffusionVectors)
        comparison.compare(with: present.baseAddress!, indices: indices)
        try observer.communicating {
          try arrival.take()?.wait()
          try departure.take()?.wait()
        }
        swap(&present, &next)
      }
      try observer.stageAdvanced(to: step + 1)
    }
    comparison.best.sort()
    var candidates = comparison.best.indices
    var reflected = comparison.best.reflected
    var scores = comparison.best.scores.map { 1 + $0 }
    let k = graph.listed.count / max(1, own.count)
    for image in 0..<own.count
    where !map.coordinates[image * width..<(image + 1) * width].contains(where: { $0 != 0 }) {
      for entry in 0..<candidateCount {
        candidates[image * candidateCount + entry] = graph.listed[image * k + entry]
        reflected[image * candidateCount + entry] =
          graph.listedAlignments[image * k + entry].isReflected ? 1 : 0
        scores[image * candidateCount + entry] = 0
      }
    }
    count = own.count
    self.candidateCount = candidateCount
    (self.candidates, self.reflected, self.scores) = (candidates, reflected, scores)
  }
}

/// Compares this rank's vectors with one block after the other.
private struct DiffusionComparison {
  /// The shape of the tiles of products: four of them stay in the level 2 cache.
  private static let rows = 128
  private static let columns = 192

  /// The affinity less 1, which single precision resolves where neighbours are close.
  var best: BestCandidates
  private let map: VectorDiffusionMap
  private let own: Range<Int>
  /// Elements of an image, and of one of its frequencies.
  private let width: Int
  private let part: Int
  private var products = [[Double]](
    repeating: .init(repeating: 0, count: rows * columns), count: 4)
  private var plain = [Double](repeating: 0, count: rows * columns)
  private var mirrored = [Double](repeating: 0, count: rows * columns)

  init(_ map: VectorDiffusionMap, own: Range<Int>, capacity: Int) {
    self.map = map
    self.own = own
    part = 2 * map.eigenvectors
    width = part * map.frequencies
    best = BestCandidates(rows: own.count, capacity: capacity)
  }

  /// Offers the images `indices`, whose vectors are in `block`, to every image of this rank.
  mutating func compare(with block: UnsafePointer<Double>, indices: Range<Int>) {
    for row in stride(from: 0, to: own.count, by: Self.rows) {
      let rows = min(Self.rows, own.count - row)
      let sides = sides(of: row..<row + rows)
      for column in stride(from: 0, to: indices.count, by: Self.columns) {
        let columns = min(Self.columns, indices.count - column)
        for at in plain.indices { (plain[at], mirrored[at]) = (0, 0) }
        for frequency in 0..<map.frequencies {
          for (at, side) in sides.enumerated() {
            side.withUnsafeBufferPointer { side in
              cblas_dgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(part),
                1, side.baseAddress! + part * frequency, Int32(width),
                block + column * width + part * frequency, Int32(width), 0, &products[at],
                Int32(Self.columns))
            }
          }
          Self.addSquares(products[0], products[1], to: &plain)
          Self.addSquares(products[2], products[3], to: &mirrored)
        }
        for offset in 0..<rows {
          select(row: row + offset, offset, first: indices.lowerBound + column, count: columns)
        }
      }
    }
  }

  /// Vectors a + ib of some of this rank's images as rows whose products with (c, d) of another are the real
  /// and imaginary part of v_j^H v_i and of v_j^T v_i: (a, b), (b, -a), (a, -b), (b, a).
  private func sides(of rows: Range<Int>) -> [[Double]] {
    let direct = Array(map.coordinates[rows.lowerBound * width..<rows.upperBound * width])
    var sides = [[Double]](repeating: direct, count: 4)
    let m = map.eigenvectors
    for start in stride(from: 0, to: direct.count, by: part) {
      for l in start..<start + m {
        let (a, b) = (direct[l], direct[l + m])
        (sides[1][l], sides[1][l + m]) = (b, -a)
        (sides[2][l], sides[2][l + m]) = (a, -b)
        (sides[3][l], sides[3][l + m]) = (b, a)
      }
    }
    return sides
  }

  private static func addSquares(_ re: [Double], _ im: [Double], to sums: inout [Double]) {
    for at in sums.indices { sums[at] += re[at] * re[at] + im[at] * im[at] }
  }

  /// Offers one row of the tile.
  private mutating func select(row: Int, _ offset: Int, first: Int, count: Int) {
    var threshold = Double(best.threshold(row: row))
    for column in 0..<count {
      let at = offset * Self.columns + column
      let isReflected = mirrored[at] > plain[at]
      let score = (isReflected ? mirrored[at] : plain[at]) - 1
      // Rounding to single precision may raise a score to the threshold.
      if score < threshold - 1e-7 { continue }
      let rounded = Float(score)
      let index = first + column
      if Double(rounded) < threshold || index == own.lowerBound + row { continue }
      best.offer(row: row, index: Int32(index), score: rounded, reflected: isReflected)
      threshold = Double(best.threshold(row: row))
    }
  }
}
