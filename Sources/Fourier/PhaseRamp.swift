import Foundation

/// Moves images by fractions of a pixel: phases exp(2 pi i k.d) on the half grid of their Fourier transforms. One
/// instance a thread.
public final class PhaseRamp {
  private let size: Int
  private let columns: Int
  private var columnPhases: [SIMD2<Float>]

  /// For images of `size` x `size` pixels.
  public init(size: Int) {
    self.size = size
    columns = size / 2 + 1
    columnPhases = .init(repeating: .zero, count: columns)
  }

  /// Moves an image's content by -`displacement`, so that a particle that lies there comes to the centre.
  /// - Parameters:
  ///   - displacement: pixels, x along columns and y along rows.
  ///   - spectrum: size x (size / 2 + 1), see `PlanarFFT`.
  public func undo(_ displacement: SIMD2<Float>, in spectrum: UnsafeMutablePointer<SIMD2<Float>>) {
    let step = 2 * Double.pi / Double(size)
    for column in 0..<columns {
      columnPhases[column] = Self.phase(step * Double(column) * Double(displacement.x))
    }
    for row in 0..<size {
      let ky = row <= (size - 1) / 2 ? row : row - size
      let rowPhase = Self.phase(step * Double(ky) * Double(displacement.y))
      let values = spectrum + row * columns
      for column in 0..<columns {
        values[column] = complexProduct(
          values[column], complexProduct(rowPhase, columnPhases[column]))
      }
    }
  }

  private static func phase(_ angle: Double) -> SIMD2<Float> {
    SIMD2(Float(cos(angle)), Float(sin(angle)))
  }
}

/// What moves the origin of half a grid's transform from the first pixel to pixel size / 2.
public struct GridCentre: Sendable {
  /// size x (size / 2 + 1), see `PlanarFFT`.
  public let phases: [SIMD2<Float>]

  /// For images of `size` x `size` pixels.
  public init(size: Int) {
    let columns = size / 2 + 1
    phases = (0..<size * columns).map {
      let angle = 2 * Double.pi * Double(($0 / columns + $0 % columns) * (size / 2) % size)
      return SIMD2(Float(cos(angle / Double(size))), Float(sin(angle / Double(size))))
    }
  }
}

/// a b of complex numbers (re, im).
@inlinable @inline(__always)
package func complexProduct(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> SIMD2<Float> {
  SIMD2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x)
}
