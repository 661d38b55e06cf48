import Execution
import Foundation
import Fourier
import LinearAlgebra

/// From principal coordinates back to pixels: the mean image and the eigenimages, scaled by the square
/// roots of their eigenvalues, and sums of them.
public struct ImageSynthesis: Sendable {
  /// The edge of an image in pixels.
  public let size: Int
  /// The mean image, size x size, row-major.
  public let mean: [Float]
  /// One row of size^2 pixels for each real coordinate: the cosine parts' row of a component, and for
  /// k > 0 its sine part's row after it.
  package let images: [Float]
  /// Images of one matrix product. The last bits of an image may depend on which others are in its product.
  package static let together = 64
  /// Real coordinates: components, counted twice for k > 0.
  let realCount: Int
  private let layout: AngularLayout

  /// Evaluates the eigenimages of `posterior` at the pixels, which are multiplied by `scale` to be in units of the files.
  public init(_ posterior: PosteriorModel, basis: FourierBesselBasis, scale: Double = 1) {
    let size = basis.size
    self.size = size
    let layout = posterior.layout
    self.layout = layout
    realCount = (0..<layout.blockCount).reduce(0) {
      $0 + layout.components(ofBlock: $1).count
        * ImageModel.multiplicity(ofBlock: layout.frequencies[$1])
    }
    let pixels = size * size
    var mean = [Float](repeating: 0, count: pixels)
    var images = [Float](repeating: 0, count: realCount * pixels)
    // Pixels on one circle share their radial functions.
    let circles = Dictionary(grouping: 0..<pixels) { pixel in
      let (row, column) = (pixel / size - size / 2, pixel % size - size / 2)
      return row * row + column * column
    }
    let highest = max(layout.frequencies.last ?? 0, 0)
    for (square, members) in circles {
      let r = Double(square).squareRoot()
      let bessel = besselJs(through: highest, at: 2 * .pi * basis.bandLimit * r)
      let meanRadial = basis.realRadial(block: 0, at: r, bessel: bessel[0])
      let meanValue = zip(meanRadial, posterior.mean).reduce(0) { $0 + $1.0 * $1.1 }
      for pixel in members { mean[pixel] = Float(scale * meanValue) }
      let directions = members.map { pixel in
        atan2(Double(pixel / size - size / 2), Double(pixel % size - size / 2))
      }
      var row = 0
      for (block, k) in layout.frequencies.enumerated() {
        let radial = basis.realRadial(block: k, at: r, bessel: bessel[k])
        let vectors = posterior.synthesis[block]
        let cosines = directions.map { cos(Double(k) * $0) }
        let sines = directions.map { sin(Double(k) * $0) }
        for s in 0..<vectors.columns {
          var value = 0.0
          for q in 0..<vectors.rows { value += vectors[q, s] * radial[q] }
          value *= scale
          for (at, pixel) in members.enumerated() {
            if k == 0 {
              images[row * pixels + pixel] = Float(value)
            } else {
              images[row * pixels + pixel] = Float(2.0.squareRoot() * value * cosines[at])
              images[(row + 1) * pixels + pixel] = Float(2.0.squareRoot() * value * sines[at])
            }
          }
          row += k == 0 ? 1 : 2
        }
      }
    }
    self.mean = mean
    self.images = images
  }

  /// The images of `count` rows of coordinates (component-major, real and imaginary part side by side),
  /// one after the other, size^2 pixels each: products of `together` images, each by one thread, so that the number
  /// of threads changes nothing.
  public func images(of coordinates: [Float], count: Int, threads: Int = 1) -> [Float] {
    let width = layout.componentCount * 2
    precondition(coordinates.count == count * width)
    var real = [Float](repeating: 0, count: count * realCount)
    let start = layout.frequencies.first == 0 ? layout.components(ofBlock: 0).count : 0
    for image in 0..<count {
      // The imaginary parts of k = 0 are left out; all else keeps its order.
      for i in 0..<start { real[image * realCount + i] = coordinates[image * width + 2 * i] }
      for i in start..<realCount {
        real[image * realCount + i] = coordinates[image * width + start + i]
      }
    }
    let pixels = size * size
    var result: [Float] = []
    result.reserveCapacity(count * pixels)
    for _ in 0..<count { result += mean }
    let products = (count + Self.together - 1) / Self.together
    WorkerPool(threads: threads, items: products)
      .forEachRow(0..<products, of: &result, width: Self.together * pixels) {
        [real] _, product, result in
        let start = product * Self.together
        real.withUnsafeBufferPointer { real in
          multiply(
            real.baseAddress! + start * realCount, lda: realCount, images, ldb: pixels,
            into: result.baseAddress!, ldc: pixels,
            m: min(Self.together, count - start), n: pixels, k: realCount, accumulate: true)
        }
      }
    return result
  }

  /// The eigenimages in the order of their eigenvalues, largest first, unit norm, at most `limit`; for
  /// k > 0 the cosine part and the sine part follow each other.
  public func eigenimages(_ posterior: PosteriorModel, limit: Int) -> [[Float]] {
    var entries: [(value: Double, row: Int)] = []
    var row = 0
    for (block, k) in layout.frequencies.enumerated() {
      for value in posterior.eigenvalues[block] {
        for _ in 0..<ImageModel.multiplicity(ofBlock: k) {
          entries.append((value, row))
          row += 1
        }
      }
    }
    entries.sort { ($1.value, $0.row) < ($0.value, $1.row) }
    let pixels = size * size
    return entries.prefix(limit).map { entry in
      let scale = Float(1 / entry.value.squareRoot())
      return images[entry.row * pixels..<(entry.row + 1) * pixels].map { $0 * scale }
    }
  }
}
