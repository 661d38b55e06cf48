import Execution
import LinearAlgebra
import MPI

/// The equations of the volume whose projections are closest to given images, by least squares:
///
///     sum over projections of (w |projection|^2 / 2 - <projection, sum of images>) + r sum_l |B_l|^2 / 2 e_l  ->  min
///
/// with w images on a projection and e_l the energy that degree l has by the covariance: where images say nothing a
/// degree stays small (Wiener filter). Even and odd degrees, a projection's even and odd frequencies, are told apart.
struct ProjectionEquations {
  private let degree: Int
  /// d.
  private let rank: Int
  /// Angles on half a circle.
  private let angles: Int
  /// Of even, then of odd degrees: sum of w Y Y^T over projections and angles.
  private let normal: [Matrix]
  /// The sum of Y times the images there, as many columns as radial coordinates.
  private let right: [Matrix]

  /// Slices whose equations are summed at once, whatever the ranks.
  private static let block = 16
  /// What noise and misplaced images leave uncertain of an image, over its energy.
  private static let uncertainty = 0.02
  /// No e_l is smaller than this part of the largest.
  private static let leastEnergy = 1e-6

  /// Collective; on every rank, to the last bit on any number of them. The ranks sum blocks of projections as they have time.
  /// - Parameter queue: whose next round this is.
  /// - Throws: `MPIError`.
  init(
    _ poses: ProjectionPoses, _ orientations: [RandomOrientation], threads: Int, queue: NodeQueue,
    comm: Communicator, observer: any StageObserver
  ) throws {
    let (degree, rank) = (poses.sums.degree, poses.sums.rank)
    let volume = SimulatedVolume(coefficients: [], degree: degree, rank: rank)
    let angles = ProjectionValues(volume).angles
    (self.degree, self.rank, self.angles) = (degree, rank, angles)
    let counts = [degree & ~1, (degree - 1) | 1].map { Self.place($0, $0) + 1 }
    let blocks = Partition.blocks(of: orientations.count, size: Self.block)
    let sizes = counts.map { $0 * $0 } + counts.map { $0 * rank }
    // No harmonic's square is larger than (2 l + 1) / 4 pi, no circle than all frequencies together.
    let square = Double(2 * degree + 1) / (4 * .pi)
    let points = Double(Self.block * angles)
    let weight = poses.weights.reduce(0, max)
    let largest = Double(poses.sums.largest)
    let bounds = [
      1.01 * points * weight * square,
      1.01 * points * square.squareRoot() * largest * 3 * Double(degree + 1),
    ]
    var sums = sizes.enumerated().map { at, size in
      FixedPointSum(count: size, bound: bounds[at / 2], terms: orientations.count)
    }
    let pool = WorkerPool(threads: threads, items: blocks.count) {
      ProjectionPart(volume, angles: angles, counts: counts)
    }
    queue.begin(blocks.count)
    while case let part = queue.next(pool.count), !part.isEmpty {
      let results = pool.map(part.count) { state, at in
        state.sums(blocks[part[at]], poses, orientations)
      }
      for result in results {
        for at in sums.indices { result[at].withUnsafeBufferPointer { sums[at].add($0) } }
      }
    }
    let all = try observer.communicating { try sums.map { try $0.reduced(over: comm) } }
    normal = (0..<2).map { Matrix(rows: counts[$0], columns: counts[$0], storage: all[$0]) }
    right = (0..<2).map { Matrix(rows: counts[$0], columns: rank, storage: all[2 + $0]) }
  }

  /// Where harmonic (l, m) stands among those of degrees of the same parity.
  package static func place(_ l: Int, _ m: Int) -> Int { l * (l - 1) / 2 + l + m }

  /// The harmonics B of the volume, [(l^2 + l + m) d + j].
  /// - Parameters:
  ///   - energies: e_l.
  ///   - imageEnergy: of an image, on average.
  /// - Throws: `LAPACKError`.
  package func solution(energies: [Double], imageEnergy: Double) throws -> [Float] {
    let floor =
      Self.leastEnergy * max(energies.prefix(degree + 1).max() ?? 0, .leastNormalMagnitude)
    var result = [Float](repeating: 0, count: (degree + 1) * (degree + 1) * rank)
    for parity in 0..<2 {
      var matrix = normal[parity]
      for l in stride(from: parity, through: degree, by: 2) {
        let penalty =
          Self.uncertainty * imageEnergy * Double(angles * (2 * l + 1)) / max(energies[l], floor)
        for m in -l...l { matrix[Self.place(l, m), Self.place(l, m)] += penalty }
      }
      let solved = try Cholesky(matrix.symmetrized).solve(right[parity])
      // Degree 0 is the same in all projections.
      for l in stride(from: parity == 0 ? 2 : 1, through: degree, by: 2) {
        for m in -l...l {
          for j in 0..<rank {
            result[(l * l + l + m) * rank + j] = Float(solved[Self.place(l, m), j])
          }
        }
      }
    }
    return result
  }
}

/// Sums the equations of blocks of projections. One instance a thread.
private struct ProjectionPart {
  private let volume: SimulatedVolume
  private let angles: Int
  private let counts: [Int]
  private let circle: (cosines: [Float], sines: [Float])

  init(_ volume: SimulatedVolume, angles: Int, counts: [Int]) {
    (self.volume, self.angles, self.counts) = (volume, angles, counts)
    circle = ProjectionValues.circle(angles: angles)
  }

  /// Of even and odd degrees Y Y^T, then Y times the images.
  func sums(_ block: Range<Int>, _ poses: ProjectionPoses, _ orientations: [RandomOrientation])
    -> [[Float]]
  {
    let points = block.count * angles
    let (rank, angles) = (volume.rank, angles)
    // Those of odd degrees follow those of even ones.
    var harmonics = [Float](repeating: 0, count: (counts[0] + counts[1]) * points)
    var images = [Float](repeating: 0, count: 2 * rank * points)
    for (at, projection) in block.enumerated() {
      // Each side is divided by the root of the weight.
      let root = Float(poses.weights[projection]).squareRoot()
      if root < 1e-4 { continue }
      let (u, v) = (orientations[projection].first, orientations[projection].second)
      for start in stride(from: 0, to: angles, by: 16) {
        func vector(_ values: [Float]) -> SIMD16<Float> {
          values.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: 4 * start, as: SIMD16<Float>.self)
          }
        }
        let (c, s) = (vector(circle.cosines), vector(circle.sines))
        let column = at * angles + start
        harmonics.withUnsafeMutableBytes { harmonics in
          volume.harmonics.forEach(
            x: u.x * c + v.x * s, y: u.y * c + v.y * s, z: u.z * c + v.z * s
          ) { l, m, value in
            let row = ProjectionEquations.place(l, m) + (l & 1) * counts[0]
            harmonics.storeBytes(
              of: root * value, toByteOffset: 4 * (row * points + column), as: SIMD16<Float>.self)
          }
        }
      }
      let values = poses.sums.circles(of: projection, rotatedBy: 0, circle)
      for row in 0..<2 * rank {
        for p in 0..<angles {
          images[row * points + at * angles + p] = values[row * angles + p] / root
        }
      }
    }
    return harmonics.withUnsafeBufferPointer { harmonics in
      images.withUnsafeBufferPointer { images in
        func products(_ parity: Int, _ others: UnsafePointer<Float>, count: Int) -> [Float] {
          var result = [Float](repeating: 0, count: counts[parity] * count)
          multiply(
            harmonics.baseAddress! + parity * counts[0] * points, lda: points, others, ldb: points,
            into: &result, ldc: count, m: counts[parity], n: count, k: points, transposeB: true)
          return result
        }
        let own = (0..<2).map { parity in
          products(
            parity, harmonics.baseAddress! + parity * counts[0] * points, count: counts[parity])
        }
        return own
          + (0..<2).map { products($0, images.baseAddress! + $0 * rank * points, count: rank) }
      }
    }
  }
}
