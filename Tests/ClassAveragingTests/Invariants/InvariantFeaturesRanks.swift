import COpenBLAS
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

/// Rows `slice` of two stored matrices, row-major.
private struct StoredPair: PairedMatrix {
  let slice: Range<Int>
  let columnCount: Int
  let parts: [[Float]]

  var count: Int { slice.count }

  func fill(
    groups: Range<Int>, columns: Range<Int>, first: UnsafeMutablePointer<SIMD16<Float>>,
    second: UnsafeMutablePointer<SIMD16<Float>>, stride: Int
  ) {
    for (column, target) in zip(columns, Swift.stride(from: 0, to: Int.max, by: stride)) {
      for group in groups {
        for lane in 0..<16 {
          let row = 16 * group + lane
          let place = (slice.lowerBound + row) * columnCount + column
          let index = target + group - groups.lowerBound
          first[index][lane] = row < count ? parts[0][place] : 0
          second[index][lane] = row < count ? parts[1][place] : 0
        }
      }
    }
  }
}

@Suite("Invariant features", .serialized, .timeLimit(.minutes(2)))
struct InvariantFeaturesRanks {
  /// A product of random factors plus a constant row, rows x columns, row-major, of rank `rank` + 1.
  private static func lowRank(_ rows: Int, _ columns: Int, rank: Int, seed: UInt64) -> [Float] {
    let left = randomNumbers(rows * rank, seed: seed)
    let right = randomNumbers(rank * columns, seed: seed + 1)
    var result = [Float](repeating: 0.05, count: rows * columns)
    for row in 0..<rows {
      for inner in 0..<rank {
        let factor = Float(left[row * rank + inner] / Double(1 + inner))
        for column in 0..<columns {
          result[row * columns + column] += factor * Float(right[inner * columns + column])
        }
      }
    }
    return result
  }

  private static func singularValues(_ matrix: [Float], columns: Int) -> [Double] {
    var copy = matrix.map(Double.init)
    let rows = matrix.count / columns
    var values = [Double](repeating: 0, count: min(rows, columns))
    let info = LAPACKE_dgesdd(
      LAPACK_COL_MAJOR, CChar(UInt8(ascii: "N")), Int32(columns), Int32(rows), &copy,
      Int32(columns), &values, nil, 1, nil, 1)
    #expect(info == 0)
    return values
  }

  /// More rows and columns than a tile, and so few rows that ranks hold less than the subspace's width.
  @Test(arguments: [(540, 1100, 2, false), (540, 1100, 3, true), (23, 300, 4, false)])
  func randomisedPCARecoversALowRankMatrix(
    rows: Int, columns: Int, passCount: Int, isCentred: Bool
  ) throws {
    let world = try testWorld()
    let matrices = [
      Self.lowRank(rows, columns, rank: 9, seed: 11),
      Self.lowRank(rows, columns, rank: 5, seed: 21),
    ]
    let slice = raggedSlice(of: rows, rank: world.rank, ranks: world.size)
    let pca = RandomisedPCA(
      sketchSize: 20, passCount: passCount, isCentred: isCentred, seed: 4)
    var last = 0.0
    let (first, second) = try pca.components(
      of: StoredPair(slice: slice, columnCount: columns, parts: matrices),
      componentCounts: (10, 6), over: world
    ) { share in
      #expect(share >= last && share <= 1)
      last = share
    }
    #expect(last == 1)

    for (matrix, found) in zip(matrices, [first, second]) {
      var expected = matrix
      if isCentred {
        for column in 0..<columns {
          let mean =
            (0..<rows).reduce(Float(0)) { $0 + matrix[$1 * columns + column] } / Float(rows)
          for row in 0..<rows { expected[row * columns + column] -= mean }
        }
      }
      let values = Self.singularValues(expected, columns: columns)
      let kept = found.singularValues.count
      for (mine, lapack) in zip(found.singularValues, values) {
        #expect(abs(mine - lapack) < 2e-5 * values[0])
      }
      // All inner products of rows are kept, since nothing was truncated.
      let scores = try world.allgatherRagged(found.scores)
      #expect(scores.count == rows * kept)
      for (i, j) in [(0, 0), (0, rows - 1), (rows / 2, 3), (rows - 1, rows - 1)] {
        let inner = (0..<kept).reduce(0.0) {
          $0 + Double(scores[i * kept + $1]) * Double(scores[j * kept + $1])
        }
        let exact = (0..<columns).reduce(0.0) {
          $0 + Double(expected[i * columns + $1]) * Double(expected[j * columns + $1])
        }
        #expect(abs(inner - exact) < 1e-4 * values[0] * values[0] / Double(rows))
      }
    }
  }

  @Test func invariantUnderRotationAndSignedUnderReflection() throws {
    let world = try testWorld()
    let total = 90
    let base = BispectrumTests.randomImages(total / 3)
    let angles = (0..<total / 3).map { 0.7 * Double($0) + 0.1 }
    let variants = [
      base, BispectrumTests.transformed(base, angles: angles),
      BispectrumTests.transformed(base, angles: angles, reflect: true),
    ]
    // Image 3 i + v is variant v of image i.
    func images(_ range: Range<Int>) -> SteerableCoefficients {
      var result = SteerableCoefficients(layout: base.layout, count: range.count)
      for index in range {
        for component in 0..<base.layout.componentCount {
          result.setValue(
            variants[index % 3].value(image: index / 3, component: component),
            image: index - range.lowerBound, component: component)
        }
      }
      return result
    }
    var options = InvariantFeatures.Options()
    (options.evenCount, options.oddCount, options.sketchSize) = (12, 10, 25)
    let slice = raggedSlice(of: total, rank: world.rank, ranks: world.size)
    let mine = try InvariantFeatures(
      of: images(slice), bispectrum: BispectrumTests.allTerms(), options: options, over: world)
    let width = mine.width
    #expect(width == 22 && mine.evenCount == 12)
    let values = try world.allgatherRagged(mine.values)
    #expect(values.count == total * width)
    for image in stride(from: 0, to: total, by: 3) {
      var length: Float = 0
      for feature in 0..<width {
        let value = values[image * width + feature]
        let sign: Float = feature < mine.evenCount ? 1 : -1
        #expect(abs(values[(image + 1) * width + feature] - value) < 1e-4)
        #expect(abs(values[(image + 2) * width + feature] - sign * value) < 1e-4)
        length += value * value
      }
      #expect(abs(length - 1) < 1e-5)
    }

    // Alone, each rank finds the same features up to their signs.
    let alone = try InvariantFeatures(
      of: images(0..<total), bispectrum: BispectrumTests.allTerms(), options: options,
      over: try world.split(colour: world.rank, key: 0))
    for (a, b) in zip(alone.evenSingularValues, mine.evenSingularValues) {
      #expect(abs(a - b) < 1e-4 * mine.evenSingularValues[0])
    }
    for image in 0..<total {
      let other = (image * 7 + 5) % total
      let inner = { (values: [Float]) in
        (0..<width).reduce(Float(0)) {
          $0 + values[image * width + $1] * values[other * width + $1]
        }
      }
      #expect(abs(inner(alone.values) - inner(values)) < 1e-3)
    }
  }

  @Test func imageThatIsZeroHasNoFeatures() throws {
    let world = try testWorld()
    var images = BispectrumTests.randomImages(33, seed: UInt64(world.rank))
    for component in 0..<images.layout.componentCount {
      images.setValue((0, 0), image: 32, component: component)
    }
    let features = try InvariantFeatures(
      of: images, bispectrum: BispectrumTests.allTerms(), over: world)
    let lengths = (0..<33).map { row in
      features.values[row * features.width..<(row + 1) * features.width].reduce(0) { $0 + $1 * $1 }
    }
    #expect(lengths[32] == 0)
    #expect(lengths.dropLast().allSatisfy { abs($0 - 1) < 1e-5 })
  }
}
