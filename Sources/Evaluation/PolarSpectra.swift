import Foundation
import LinearAlgebra

/// Turns images into angular spectra whose products are correlations at every in-plane rotation.
///
/// The spectrum of an image is the Fourier transform over the angle of its rings, weighted by
/// sqrt(radius), with the mean over the disc removed and of unit norm; then Pearson's correlation
/// inside the disc of radius side / 2 of image a with image b rotated by s steps is the inverse
/// transform at s of the sum over rings of A conj(B), and of A B when b is mirrored first.
///
/// A ring of radius r holds no angular frequency much above pi r, the most that pixels can resolve;
/// frequencies more than `frequencyMargin` above are left out, which saves two thirds of the memory.
/// One thread uses an object at a time.
final class PolarSpectra {
  package static let angles = 360
  private static let frequencyMargin = 12
  private typealias Lane = SIMD8<Float>

  private let sampling: PolarSampling
  private let transform: RingTransform
  private var spline: CubicSpline
  /// Stored values per component of each ring, a multiple of the lane.
  private let widths: [Int]
  /// The product of two images' spectra, summed over the rings.
  private var crossReal: [Float]
  private var crossImaginary: [Float]

  /// The number of floats of a spectrum: for each ring all real parts, then all imaginary parts.
  package let count: Int

  /// For images of `side` x `side` pixels, `side` at least 4.
  init(side: Int) {
    sampling = PolarSampling(side: side, angles: Self.angles)
    transform = RingTransform(rings: side / 2, angles: Self.angles)
    spline = CubicSpline(side: side)
    let frequencies = Self.angles / 2 + 1
    widths = (0..<side / 2).map { ring in
      let kept = Int((Double.pi * (Double(ring) + 0.5)).rounded(.up)) + Self.frequencyMargin
      return Self.padded(min(frequencies, kept))
    }
    count = widths.reduce(0) { $0 + 2 * $1 }
    let longest = Self.padded(frequencies)
    crossReal = [Float](repeating: 0, count: longest)
    crossImaginary = crossReal
  }

  private static func padded(_ count: Int) -> Int {
    (count + Lane.scalarCount - 1) / Lane.scalarCount * Lane.scalarCount
  }

  /// Writes the spectrum of a row-major image to `spectrum`, `count` floats; zeros for an image that
  /// is constant inside the disc.
  func analyse(_ pixels: UnsafeBufferPointer<Float>, into spectrum: UnsafeMutablePointer<Float>) {
    spline.fit(pixels)
    sampling.sample(spline, into: transform.samples)
    let norm = standardise()
    transform.forward()
    let scale = norm > 0 ? Float(1 / (norm * Double(Self.angles).squareRoot())) : 0
    var output = spectrum
    for ring in widths.indices {
      let row = transform.spectra + ring * transform.frequencies
      let width = widths[ring]
      for k in 0..<width {
        let isHeld = k < transform.frequencies
        output[k] = isHeld ? scale * row[k].0 : 0
        output[width + k] = isHeld ? scale * row[k].1 : 0
      }
      output += 2 * width
    }
  }

  /// Removes the disc's mean from the polar samples, weights them by the square root of the radius and
  /// returns their norm.
  private func standardise() -> Double {
    let angles = Self.angles
    var sum = 0.0
    var weight = 0.0
    for ring in widths.indices {
      let radius = Double(ring) + 0.5
      let row = UnsafeBufferPointer(start: transform.samples + ring * angles, count: angles)
      sum += radius * Double(row.reduce(0, +))
      weight += radius * Double(angles)
    }
    let mean = Float(sum / weight)
    var square = 0.0
    var original = 0.0
    for ring in widths.indices {
      let root = Float((Double(ring) + 0.5).squareRoot())
      var ringSquare: Float = 0
      for k in ring * angles..<(ring + 1) * angles {
        let value = (transform.samples[k] - mean) * root
        transform.samples[k] = value
        ringSquare += value * value
      }
      square += Double(ringSquare)
      original += Double(mean * mean) * (Double(ring) + 0.5) * Double(angles)
    }
    // What is left of a constant image is rounding.
    return square > 1e-10 * original ? square.squareRoot() : 0
  }

  /// A maximum over in-plane rotations.
  struct Alignment {
    /// Pearson's correlation at the best of the 360 rotations.
    package var correlation: Float
    /// The rotation in degrees that carries the second image onto the first, from the column axis
    /// towards increasing row, refined by a parabola through the three highest points.
    package var rotation: Float
  }

  /// The best rotation of the second image, mirrored in its rows (y to -y) first where `isReflected`.
  package func align(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, isReflected: Bool
  ) -> Alignment {
    multiply(first, second, sign: isReflected ? -1 : 1)
    for k in 0..<transform.frequencies {
      transform.spectra[k] = (crossReal[k], crossImaginary[k])
    }
    transform.backward()
    var best = 0
    for s in 1..<Self.angles where transform.samples[s] > transform.samples[best] { best = s }
    let peak = transform.samples[best]
    let before = transform.samples[(best + Self.angles - 1) % Self.angles]
    let after = transform.samples[(best + 1) % Self.angles]
    let curvature = before - 2 * peak + after
    let shift = curvature < 0 ? 0.5 * (before - after) / curvature : 0
    return Alignment(correlation: peak, rotation: Float(best) + shift)
  }

  /// The cross spectrum = sum over rings of A conj(B), or of A B where `sign` is -1.
  private func multiply(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, sign: Float
  ) {
    crossReal.withUnsafeMutableBytes { real in
      crossImaginary.withUnsafeMutableBytes { imaginary in
        memset(real.baseAddress!, 0, real.count)
        memset(imaginary.baseAddress!, 0, imaginary.count)
        var a = UnsafeRawPointer(first)
        var b = UnsafeRawPointer(second)
        for width in widths {
          let half = 4 * width
          for k in stride(from: 0, to: half, by: MemoryLayout<Lane>.size) {
            let ar = a.loadUnaligned(fromByteOffset: k, as: Lane.self)
            let ai = a.loadUnaligned(fromByteOffset: half + k, as: Lane.self)
            let br = b.loadUnaligned(fromByteOffset: k, as: Lane.self)
            let bi = sign * b.loadUnaligned(fromByteOffset: half + k, as: Lane.self)
            let re = real.loadUnaligned(fromByteOffset: k, as: Lane.self)
            let im = imaginary.loadUnaligned(fromByteOffset: k, as: Lane.self)
            real.storeBytes(of: re + ar * br + ai * bi, toByteOffset: k, as: Lane.self)
            imaginary.storeBytes(of: im + ai * br - ar * bi, toByteOffset: k, as: Lane.self)
          }
          a += 2 * half
          b += 2 * half
        }
      }
    }
  }
}
