import COpenBLAS
import MPI

/// For each image of this rank's slice, the nearest images by the affinity of the vector diffusion map,
/// every pair compared, with the better of the two reflections.
struct DiffusionSearch: OrderedSuspects {
  let count: Int
  let suspectCount: Int
  let suspects: [Int32]
  let reflected: [UInt8]
  /// |v_j^H v_i|^2, or |v_j^T v_i|^2 where j is reflected; 0 to 1.
  let scores: [Float]

  /// Blocks of vectors travel round the ring of ranks; memory is four copies of this rank's vectors and
  /// three blocks beside the lists. An image that the map does not reach keeps the graph's neighbours, with
  /// affinity 0. Collective.
  init(
    _ map: VectorDiffusionMap, graph: ConnectionGraph, partition: Partition, suspectCount: Int,
    on comm: Communicator, observer: any StageObserver
  ) throws {
    let (rank, size) = (comm.rank, comm.size)
    let own = graph.images
    let width = own.isEmpty ? 0 : map.coordinates.count / own.count
    var comparison = DiffusionComparison(
      map.coordinates, width: width, own: own, capacity: suspectCount)
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
        var arrival: Request? = try comm.startReceive(next, from: (rank + size - 1) % size, tag: 4)
        var departure: Request? = try comm.startSend(
          UnsafeBufferPointer(present), to: (rank + 1) % size, tag: 4)
        comparison.compare(with: present.baseAddress!, indices: indices)
        try observer.communicating {
          try arrival.take()?.wait()
          try departure.take()?.wait()
        }
        swap(&present, &next)
      }
      observer.stageAdvanced(to: step + 1)
    }
    comparison.best.sort()
    var suspects = comparison.best.indices
    var reflected = comparison.best.reflected
    var scores = comparison.best.scores.map { 1 + $0 }
    let k = graph.listed.count / max(1, own.count)
    for image in 0..<own.count
    where !map.coordinates[image * width..<(image + 1) * width].contains(where: { $0 != 0 }) {
      for entry in 0..<suspectCount {
        suspects[image * suspectCount + entry] = graph.listed[image * k + entry]
        reflected[image * suspectCount + entry] = graph.listedReflected[image * k + entry]
        scores[image * suspectCount + entry] = 0
      }
    }
    count = own.count
    self.suspectCount = suspectCount
    (self.suspects, self.reflected, self.scores) = (suspects, reflected, scores)
  }
}

/// Compares this rank's vectors with one block after the other.
private struct DiffusionComparison {
  /// The shape of the tiles of products: four of them stay in the level 2 cache.
  private static let rows = 128
  private static let columns = 192

  /// The affinity less 1, which single precision resolves where neighbours are close.
  var best: BestCandidates
  private let own: Range<Int>
  private let width: Int
  /// This rank's vectors a + ib as rows whose products with (c, d) of another are the real and imaginary
  /// part of v_j^H v_i and of v_j^T v_i: (a, b), (b, -a), (a, -b), (b, a).
  private let sides: [[Double]]
  private var products = [[Double]](
    repeating: .init(repeating: 0, count: rows * columns), count: 4)

  init(_ coordinates: [Double], width: Int, own: Range<Int>, capacity: Int) {
    self.own = own
    self.width = width
    best = BestCandidates(rows: own.count, capacity: capacity)
    let m = width / 2
    sides = [(false, 1.0, 1.0), (true, 1, -1), (false, 1, -1), (true, 1, 1)].map {
      isSwapped, first, second in
      var side = coordinates
      for start in stride(from: 0, to: coordinates.count, by: width) {
        for l in start..<start + m {
          let (a, b) = (coordinates[l], coordinates[l + m])
          (side[l], side[l + m]) = isSwapped ? (first * b, second * a) : (first * a, second * b)
        }
      }
      return side
    }
  }

  /// Offers the images `indices`, whose vectors are in `block`, to every image of this rank.
  mutating func compare(with block: UnsafePointer<Double>, indices: Range<Int>) {
    for row in stride(from: 0, to: own.count, by: Self.rows) {
      let rows = min(Self.rows, own.count - row)
      for column in stride(from: 0, to: indices.count, by: Self.columns) {
        let columns = min(Self.columns, indices.count - column)
        for part in 0..<4 {
          sides[part].withUnsafeBufferPointer { side in
            cblas_dgemm(
              CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(width), 1,
              side.baseAddress! + row * width, Int32(width), block + column * width, Int32(width),
              0, &products[part], Int32(Self.columns))
          }
        }
        for offset in 0..<rows {
          select(row: row + offset, offset, first: indices.lowerBound + column, count: columns)
        }
      }
    }
  }

  /// Offers one row of the tile.
  private mutating func select(row: Int, _ offset: Int, first: Int, count: Int) {
    var threshold = Double(best.threshold(row: row))
    let lanes = 8
    for start in stride(from: offset * Self.columns, to: offset * Self.columns + count, by: lanes) {
      func load(_ part: Int) -> SIMD8<Double> {
        products[part].withUnsafeBytes {
          $0.loadUnaligned(fromByteOffset: 8 * start, as: SIMD8<Double>.self)
        }
      }
      let (re, im, mirrorRe, mirrorIm) = (load(0), load(1), load(2), load(3))
      let plain = re * re + im * im
      let mirrored = mirrorRe * mirrorRe + mirrorIm * mirrorIm
      let isReflected = mirrored .> plain
      let score = plain.replacing(with: mirrored, where: isReflected) - 1
      // Rounding to single precision may raise a score to the threshold.
      guard any(score .>= threshold - 1e-7) else { continue }
      let place = start - offset * Self.columns
      for lane in 0..<min(lanes, count - place) {
        let index = first + place + lane
        let rounded = Float(score[lane])
        if Double(rounded) < threshold || index == own.lowerBound + row { continue }
        best.offer(
          row: row, index: Int32(index), score: rounded, reflected: isReflected[lane])
        threshold = Double(best.threshold(row: row))
      }
    }
  }
}
