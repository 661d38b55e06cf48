import LinearAlgebra

/// Inner products of images, rotated by each of the angles of a circle, with projections:
///
///     <image rotated by theta, projection> = Re sum_k exp(-i k theta) sum_j z_kj conj(s_kj)
///
/// The sums over j are matrix products for a block of images, those over k for one of them. One instance a thread.
struct RotationProducts {
  /// Images that are multiplied at once. Products of one shape are the same on any number of ranks.
  package static let block = 8

  private let projections: AngularRows
  /// On half a circle: half a turn more negates the odd frequencies.
  private let angles: Int
  /// cos k theta and sin k theta, [parity of k][angle][k / 2][2].
  private let waves: [[Float]]
  /// z conj(s), of the even frequencies first, [k][re, im][image of the block][projection].
  private var frequencies: [Float]
  /// Of the even frequencies, then of the odd ones, [angle][projection].
  private var products: [Float]

  init(_ projections: AngularRows, angles: Int) {
    (self.projections, self.angles) = (projections, angles)
    let (cosines, sines) = ProjectionValues.circle(angles: angles)
    waves = (0..<2).map { parity in
      (0..<angles).flatMap { angle in
        stride(from: parity, through: projections.degree, by: 2).flatMap { k in
          let at = k * angle % (2 * angles)
          return [cosines[at], sines[at]]
        }
      }
    }
    frequencies = .init(
      repeating: 0, count: 2 * (projections.degree + 1) * Self.block * projections.count)
    products = .init(repeating: 0, count: 2 * angles * projections.count)
  }

  /// Multiplies a block of images with all projections, frequency by frequency; `rotate` follows for each image.
  mutating func setBlock(_ images: AngularRows, _ block: Range<Int>) {
    let (rank, width, count) = (projections.rank, projections.width, projections.count)
    // -i z: its inner product with a projection is the imaginary part of z conj(s).
    var turned = [Float](repeating: 0, count: block.count * width)
    for row in block {
      let (from, to) = (row * width, (row - block.lowerBound) * width)
      for k in 0...projections.degree {
        for j in 2 * k * rank..<(2 * k + 1) * rank {
          turned[to + j] = images.values[from + rank + j]
          turned[to + rank + j] = -images.values[from + j]
        }
      }
    }
    let evens = projections.degree / 2 + 1
    images.values.withUnsafeBufferPointer { images in
      projections.values.withUnsafeBufferPointer { projections in
        turned.withUnsafeBufferPointer { turned in
          frequencies.withUnsafeMutableBufferPointer { frequencies in
            let parts = [images.baseAddress! + block.lowerBound * width, turned.baseAddress!]
            for k in 0..<width / (2 * rank) {
              let place = k / 2 + (k & 1) * evens
              for (part, rows) in parts.enumerated() {
                multiply(
                  rows + 2 * k * rank, lda: width, projections.baseAddress! + 2 * k * rank,
                  ldb: width,
                  into: frequencies.baseAddress! + (2 * place + part) * block.count * count,
                  ldc: count, m: block.count, n: count, k: 2 * rank, transposeB: true)
              }
            }
          }
        }
      }
    }
  }

  /// Rotates an image of the block of `count` that was multiplied.
  mutating func rotate(_ image: Int, of count: Int) {
    let projections = projections.count
    let evens = self.projections.degree / 2 + 1
    frequencies.withUnsafeBufferPointer { frequencies in
      products.withUnsafeMutableBufferPointer { products in
        for (parity, waves) in waves.enumerated() {
          let terms = waves.count / angles
          multiply(
            waves, lda: terms,
            frequencies.baseAddress! + (parity * 2 * evens * count + image) * projections,
            ldb: count * projections, into: products.baseAddress! + parity * angles * projections,
            ldc: projections, m: angles, n: projections, k: terms)
        }
      }
    }
  }

  /// Calls `body` with the products of the image that was rotated last: those of the even and of the odd frequencies,
  /// [angle][projection] each.
  func withProducts<Result>(
    _ body: (_ even: UnsafePointer<Float>, _ odd: UnsafePointer<Float>) -> Result
  ) -> Result {
    products.withUnsafeBufferPointer {
      body($0.baseAddress!, $0.baseAddress! + angles * projections.count)
    }
  }
}
