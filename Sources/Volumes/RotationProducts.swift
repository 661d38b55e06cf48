import LinearAlgebra

/// Inner products of images, rotated by each of the angles of a circle, with slices:
///
///     <image rotated by theta, slice> = Re sum_k exp(-i k theta) sum_j z_kj conj(s_kj)
///
/// The sums over j are matrix products for a block of images, those over k for one of them. One instance a thread.
struct RotationProducts {
  /// Images that are multiplied at once. Products of one shape are the same on any number of ranks.
  package static let block = 8

  private let slices: AngularRows
  /// On half a circle: half a turn more negates the odd frequencies.
  private let angles: Int
  /// cos k theta and sin k theta, [parity of k][angle][k / 2][2].
  private let waves: [[Float]]
  /// z conj(s), of the even frequencies first, [k][re, im][image of the block][slice].
  private var frequencies: [Float]
  /// Of the even frequencies, then of the odd ones, [angle][slice].
  private var products: [Float]

  init(_ slices: AngularRows, angles: Int) {
    (self.slices, self.angles) = (slices, angles)
    let (cosines, sines) = SliceValues.circle(angles: angles)
    waves = (0..<2).map { parity in
      (0..<angles).flatMap { angle in
        stride(from: parity, through: slices.degree, by: 2).flatMap { k in
          let at = k * angle % (2 * angles)
          return [cosines[at], sines[at]]
        }
      }
    }
    frequencies = .init(repeating: 0, count: 2 * (slices.degree + 1) * Self.block * slices.count)
    products = .init(repeating: 0, count: 2 * angles * slices.count)
  }

  /// Multiplies a block of images with all slices, frequency by frequency; `rotate` follows for each image.
  mutating func setBlock(_ images: AngularRows, _ block: Range<Int>) {
    let (rank, width, count) = (slices.rank, slices.width, slices.count)
    // -i z: its inner product with a slice is the imaginary part of z conj(s).
    var turned = [Float](repeating: 0, count: block.count * width)
    for row in block {
      let (from, to) = (row * width, (row - block.lowerBound) * width)
      for k in 0...slices.degree {
        for j in 2 * k * rank..<(2 * k + 1) * rank {
          turned[to + j] = images.values[from + rank + j]
          turned[to + rank + j] = -images.values[from + j]
        }
      }
    }
    let evens = slices.degree / 2 + 1
    images.values.withUnsafeBufferPointer { images in
      slices.values.withUnsafeBufferPointer { slices in
        turned.withUnsafeBufferPointer { turned in
          frequencies.withUnsafeMutableBufferPointer { frequencies in
            let parts = [images.baseAddress! + block.lowerBound * width, turned.baseAddress!]
            for k in 0..<width / (2 * rank) {
              let place = k / 2 + (k & 1) * evens
              for (part, rows) in parts.enumerated() {
                multiply(
                  rows + 2 * k * rank, lda: width, slices.baseAddress! + 2 * k * rank, ldb: width,
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
    let slices = slices.count
    let evens = self.slices.degree / 2 + 1
    frequencies.withUnsafeBufferPointer { frequencies in
      products.withUnsafeMutableBufferPointer { products in
        for (parity, waves) in waves.enumerated() {
          let terms = waves.count / angles
          multiply(
            waves, lda: terms,
            frequencies.baseAddress! + (parity * 2 * evens * count + image) * slices,
            ldb: count * slices, into: products.baseAddress! + parity * angles * slices,
            ldc: slices, m: angles, n: slices, k: terms)
        }
      }
    }
  }

  /// Calls `body` with the products of the image that was rotated last: those of the even and of the odd frequencies,
  /// [angle][slice] each.
  func withProducts<Result>(
    _ body: (_ even: UnsafePointer<Float>, _ odd: UnsafePointer<Float>) -> Result
  ) -> Result {
    products.withUnsafeBufferPointer {
      body($0.baseAddress!, $0.baseAddress! + angles * slices.count)
    }
  }
}
