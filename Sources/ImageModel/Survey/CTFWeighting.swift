import Fourier
import ParticleIO

/// Multiplies images by their own, astigmatic CTF on the Cartesian Fourier grid: y -> A^T y, the first
/// half of the sufficient statistic b = B^T A^T y (method E.3, E.4). Correct at any defocus, since it
/// acts on the very grid that the images live on; and it brings signal that the CTF spread out back to
/// where it belongs.
///
/// Images that were multiplied by their CTF already pass through; for images whose phases were flipped
/// the CTF is its modulus. One instance a thread.
public final class CTFWeighting {
  private let fft: PlanarFFT
  private let pixelSize: Double
  /// The last CTFs' values on the half grid: particles of one micrograph or defocus group follow each
  /// other or come back soon.
  private var cache: [Weights: [Float]] = [:]

  /// What the values follow from.
  private struct Weights: Hashable {
    let ctf: CTFParameters
    /// Whether they are the CTF's modulus.
    let isModulus: Bool
  }

  private static var cacheLimit: Int { 64 }

  /// For images of `size` x `size` pixels of `pixelSize` A.
  public init(size: Int, pixelSize: Double) {
    fft = PlanarFFT(size: size)
    self.pixelSize = pixelSize
  }

  /// Where to put the image (size x size, row-major) before `apply`, and where the result lies after.
  public var image: UnsafeMutablePointer<Float> { fft.image }

  /// Replaces `image` by A^T image and calls `spectrum` in between with the weighted spectrum (half
  /// grid, unnormalised, see `PlanarFFT`) and the weights.
  public func apply(
    _ ctf: CTFParameters, optics: OpticsGroup,
    spectrum: ((UnsafePointer<SIMD2<Float>>, [Float]) -> Void)? = nil
  ) {
    let weights = weights(of: ctf, optics: optics)
    fft.forward()
    let scale = 1 / Float(fft.size * fft.size)
    let values = fft.spectrum
    if optics.isCTFPremultiplied {
      spectrum?(values, weights)
      for i in weights.indices { values[i] *= scale }
    } else {
      for i in weights.indices { values[i] *= weights[i] }
      spectrum?(values, weights)
      for i in weights.indices { values[i] *= scale }
    }
    fft.inverse()
  }

  /// The CTF on the half grid, row-major, size x (size / 2 + 1).
  private func weights(of ctf: CTFParameters, optics: OpticsGroup) -> [Float] {
    let key = Weights(ctf: ctf, isModulus: optics.isPhaseFlipped)
    if let known = cache[key] { return known }
    if cache.count >= Self.cacheLimit { cache.removeAll(keepingCapacity: true) }
    let function = ContrastTransferFunction(ctf)
    let size = fft.size
    let step = 1 / (Double(size) * pixelSize)
    var values = [Float](repeating: 0, count: size * fft.columns)
    for row in 0..<size {
      let ky = Double(row <= (size - 1) / 2 ? row : row - size) * step
      for column in 0..<fft.columns {
        let value = function.value(kx: Double(column) * step, ky: ky)
        values[row * fft.columns + column] = Float(key.isModulus ? abs(value) : value)
      }
    }
    cache[key] = values
    return values
  }
}
