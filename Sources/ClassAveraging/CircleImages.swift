import Foundation

/// Images by their Fourier transforms on circles in radial coordinates, as `SliceValues` has those of slices: the
/// real parts, of the even angular frequencies, then the imaginary ones, of the odd, on half a circle.
struct CircleImages {
  let count: Int
  /// On half a circle; the other half repeats the real parts and negates the imaginary ones.
  let angles: Int
  /// Numbers of an image: 2 d angles.
  let width: Int
  private var values: [Float]

  /// - Parameters:
  ///   - images: Fourier-Bessel coefficients, component-major, (re, im), one image after the other.
  ///   - degree: angular frequencies beyond it are left out.
  init(_ images: [Float], radial: RadialCoordinates, degree: Int, angles: Int) {
    self.angles = angles
    width = 2 * radial.rank * angles
    count = images.count / radial.width
    values = .init(repeating: 0, count: count * width)
    let phases = (0..<2 * angles).map { at in
      let angle = .pi * Double(at) / Double(angles)
      return (cos(angle), sin(angle))
    }
    for image in 0..<count {
      images.withUnsafeBufferPointer { images in
        radial.forEachCoordinate(of: images.baseAddress! + image * radial.width) { k, j, z in
          if k > degree { return }
          // A function of angular frequency k has the transform (-i)^k R_k(xi), up to -i for odd k; sqrt 2 as in
          // `SliceValues.frequency`.
          let factor = (k & 2 == 0 ? 1 : -1) * (k == 0 ? 1 : 2.0.squareRoot())
          let start = image * width + ((k & 1) * radial.rank + j) * angles
          for p in 0..<angles {
            let (c, s) = phases[k * p % (2 * angles)]
            values[start + p] += Float(factor * (z.0 * c + z.1 * s))
          }
        }
      }
    }
  }

  /// Of an image, as far as it lies on half a circle.
  var meanEnergy: Float { values.reduce(0) { $0 + $1 * $1 } / Float(max(1, count)) }

  /// An image rotated by `shift` angles.
  func rotated(_ image: Int, by shift: Int) -> [Float] {
    var row = [Float](repeating: 0, count: width)
    row.withUnsafeMutableBufferPointer { fill($0.baseAddress!, image, shift) }
    return row
  }

  /// An image rotated by each of the angles of half a circle, angles x width.
  func fillRotations(of image: Int, _ rows: inout [Float]) {
    if rows.count != angles * width { rows = .init(repeating: 0, count: angles * width) }
    rows.withUnsafeMutableBufferPointer { rows in
      for shift in 0..<angles { fill(rows.baseAddress! + shift * width, image, shift) }
    }
  }

  private func fill(_ row: UnsafeMutablePointer<Float>, _ image: Int, _ shift: Int) {
    for part in 0..<width / angles {
      let isOdd = part >= width / angles / 2
      for p in 0..<angles {
        let (turns, at) = (p + shift).quotientAndRemainder(dividingBy: angles)
        let value = values[image * width + part * angles + at]
        row[part * angles + p] = isOdd && turns % 2 == 1 ? -value : value
      }
    }
  }
}
