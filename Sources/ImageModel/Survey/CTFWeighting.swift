import Fourier
import ParticleIO

/// Multiplies images by their own, astigmatic CTF on the Cartesian Fourier grid, both whitened: y -> A^T W^2 y, the
/// first half of the statistic b~ = B^T A^T W^2 y (method E.2.3, E.3), with W = P^{-1/2} of the noise's
/// spectrum P. Correct at any defocus, since it acts on the very grid that the images live on; and it brings signal
/// that the CTF spread out back to where it belongs.
///
/// Images that were multiplied by their CTF already are multiplied by W^2 alone; for images whose phases were
/// flipped the CTF is its modulus. One instance a thread.
public final class CTFWeighting {
  private let fft: PlanarFFT
  private let ramp: PhaseRamp
  private let pixelSize: Double
  private let noise: NoiseModel?
  /// The last CTFs' values on the half grid: particles of one micrograph or defocus group follow each
  /// other or come back soon.
  private var cache: [Key: Weights] = [:]
  private var meanSquares: [CTFParameters: Double] = [:]

  /// What the values follow from.
  private struct Key: Hashable {
    let ctf: CTFParameters
    /// Whether they are the CTF's modulus.
    let isModulus: Bool
    let isPremultiplied: Bool
    let noiseGroup: Int
  }

  /// What a CTF's images are multiplied by, on the half grid, row-major, size x (size / 2 + 1).
  public struct Weights {
    /// What the image is multiplied by.
    public fileprivate(set) var factors: [Float]
    /// The square of the whitened CTF.
    public fileprivate(set) var squares: [Float]
    /// 1 or -1, as the CTF is, whatever was done to the image.
    public fileprivate(set) var signs: [Float]
  }

  private static var cacheLimit: Int { 64 }

  /// For images of `size` x `size` pixels of `pixelSize` A; `noise` is nil for white noise of variance 1.
  public init(size: Int, pixelSize: Double, noise: NoiseModel? = nil) {
    fft = PlanarFFT(size: size)
    ramp = PhaseRamp(size: size)
    self.pixelSize = pixelSize
    self.noise = noise
  }

  /// Where to put the image (size x size, row-major) before `apply`, and where the result lies after.
  public var image: UnsafeMutablePointer<Float> { fft.image }

  /// Replaces `image` by A^T W^2 image, its particle brought to the centre, and calls `spectrum` in between with the weighted spectrum (half
  /// grid, unnormalised, see `PlanarFFT`) and the weights. `group` is the optics group's index, for its noise;
  /// `displacement` is how far the particle lies from the centre (pixels; x, y).
  public func apply(
    _ ctf: CTFParameters, group: Int = 0, optics: OpticsGroup,
    displacement: SIMD2<Float> = .zero,
    spectrum: ((UnsafePointer<SIMD2<Float>>, Weights) -> Void)? = nil
  ) {
    let weights = weights(of: ctf, group: group, optics: optics)
    fft.forward()
    let scale = 1 / Float(fft.size * fft.size)
    let values = fft.spectrum
    for i in weights.factors.indices { values[i] *= weights.factors[i] }
    if displacement != .zero { ramp.undo(displacement, in: values) }
    spectrum?(values, weights)
    for i in weights.factors.indices { values[i] *= scale }
    fft.inverse()
  }

  /// The variance that unit white noise has left in an image: the mean of the CTF's square over the whole grid where
  /// it was multiplied by its CTF, else 1.
  func noisePassed(_ ctf: CTFParameters, optics: OpticsGroup) -> Double {
    if !optics.isCTFPremultiplied { return 1 }
    if let known = meanSquares[ctf] { return known }
    if meanSquares.count >= Self.cacheLimit { meanSquares.removeAll(keepingCapacity: true) }
    let function = ContrastTransferFunction(ctf)
    var sum = 0.0
    forEachPoint { i, kx, ky in
      let value = function.value(kx: kx, ky: ky)
      sum += NoiseWindow.twice(i, fft.columns, fft.size) * value * value
    }
    meanSquares[ctf] = sum / Double(fft.size * fft.size)
    return meanSquares[ctf]!
  }

  /// Calls `body` with each point of the half grid and its spatial frequency in 1/A.
  private func forEachPoint(_ body: (Int, Double, Double) -> Void) {
    let size = fft.size
    let step = 1 / (Double(size) * pixelSize)
    for row in 0..<size {
      let ky = Double(row <= (size - 1) / 2 ? row : row - size) * step
      for column in 0..<fft.columns { body(row * fft.columns + column, Double(column) * step, ky) }
    }
  }

  /// Row-major, size x (size / 2 + 1).
  private func weights(of ctf: CTFParameters, group: Int, optics: OpticsGroup) -> Weights {
    let key = Key(
      ctf: ctf, isModulus: optics.isPhaseFlipped, isPremultiplied: optics.isCTFPremultiplied,
      noiseGroup: noise?.groupOfOptics[group] ?? 0)
    if let known = cache[key] { return known }
    if cache.count >= Self.cacheLimit { cache.removeAll(keepingCapacity: true) }
    let function = ContrastTransferFunction(ctf)
    let spectrum = noise?.spectrum(ofOptics: group)
    let count = fft.size * fft.columns
    var weights = Weights(
      factors: .init(repeating: 0, count: count), squares: .init(repeating: 0, count: count),
      signs: .init(repeating: 1, count: count))
    let distance = Double(fft.size) * pixelSize
    forEachPoint { i, kx, ky in
      let value = function.value(kx: kx, ky: ky)
      let transfer = key.isModulus ? abs(value) : value
      let whitening =
        spectrum.map {
          1
            / $0.power(
              at: (kx * kx + ky * ky).squareRoot() * distance, squaredCTF: value * value)
        } ?? 1
      weights.factors[i] = Float((key.isPremultiplied ? 1 : transfer) * whitening)
      weights.squares[i] = Float(value * value * whitening)
      weights.signs[i] = value < 0 ? -1 : 1
    }
    cache[key] = weights
    return weights
  }
}
