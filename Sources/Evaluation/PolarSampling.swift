import Foundation

/// Where a polar grid lies on an image, and the cubic-spline weights that interpolate there.
///
/// Rings have radii 1/2, 3/2, ... up to half the side; angle t (in `angles` equal steps from 0) is at
/// x = centre + r cos t, y = centre + r sin t with x the column, y the row, and the centre in pixel
/// (side / 2, side / 2), integer division.
struct PolarSampling {
  package let side: Int
  package let angles: Int
  package var rings: Int { side / 2 }

  private struct Sample {
    var offset: Int
    var x: SIMD4<Float>
    var y: SIMD4<Float>
  }
  private let samples: [Sample]

  init(side: Int, angles: Int) {
    self.side = side
    self.angles = angles
    let stride = CubicSpline(side: side).stride
    let centre = Double(side / 2)
    let limit = Double(side - 1)
    samples = (0..<(side / 2) * angles).map { index in
      let radius = Double(index / angles) + 0.5
      let angle = 2 * Double.pi * Double(index % angles) / Double(angles)
      // The outermost ring of an even image leaves it by half a pixel.
      let x = min(max(centre + radius * cos(angle), 0), limit)
      let y = min(max(centre + radius * sin(angle), 0), limit)
      // The support starts one pixel before floor(x), where the margin puts it at floor(x).
      return Sample(
        offset: Int(y) * stride + Int(x), x: Self.weights(x - x.rounded(.down)),
        y: Self.weights(y - y.rounded(.down)))
    }
  }

  /// The cubic B-spline's values at the four nearest pixels, for a fraction in 0 ..< 1.
  private static func weights(_ t: Double) -> SIMD4<Float> {
    let s = 1 - t
    return SIMD4<Float>(
      SIMD4<Double>(
        s * s * s, 4 - 6 * t * t + 3 * t * t * t, 4 - 6 * s * s + 3 * s * s * s, t * t * t) / 6)
  }

  /// Writes the spline's values, `rings` rows of `angles`, to `values`.
  package func sample(_ spline: borrowing CubicSpline, into values: UnsafeMutablePointer<Float>) {
    precondition(spline.side == side)
    let stride = spline.stride
    spline.coefficients.withUnsafeBufferPointer { coefficients in
      samples.withUnsafeBufferPointer { samples in
        for i in samples.indices {
          let sample = samples[i]
          let corner = UnsafeRawPointer(coefficients.baseAddress! + sample.offset)
          func row(_ k: Int) -> SIMD4<Float> {
            corner.loadUnaligned(
              fromByteOffset: 4 * k * stride, as: SIMD4<Float>.self)
          }
          let column =
            row(0) * sample.y.x + row(1) * sample.y.y + row(2) * sample.y.z + row(3) * sample.y.w
          values[i] = (column * sample.x).sum()
        }
      }
    }
  }
}
