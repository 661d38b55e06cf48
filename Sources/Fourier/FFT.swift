import CFFTW

/// Memory for FFTW: aligned for its vector code, freed with its owner.
public struct FFTBuffer<Element: BitwiseCopyable>: ~Copyable {
  /// The first element.
  public let pointer: UnsafeMutablePointer<Element>
  /// The number of elements.
  public let count: Int

  /// `count` elements of zero bytes.
  public init(count: Int) {
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    let raw = fftwf_malloc(bytes)!
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    pointer = raw.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { fftwf_free(pointer) }
}

/// The discrete Fourier transform of real square images in single precision, forward and back, on
/// buffers that it owns.
///
/// `spectrum[y * columns + x]` is sum over pixels of `image[r * size + s] exp(-2 pi i (y r + x s) / size)`
/// for x in 0...size/2; `inverse()` does not divide by the number of pixels. Plans are estimated, not
/// measured, so that every process computes the same bits.
public final class PlanarFFT {
  /// Pixels along an edge.
  public let size: Int
  /// Stored columns of the spectrum, size / 2 + 1.
  public let columns: Int
  /// size x size reals, row-major.
  public var image: UnsafeMutablePointer<Float> { imageBuffer.pointer }
  /// size x columns complex numbers, real and imaginary parts side by side.
  public var spectrum: UnsafeMutablePointer<SIMD2<Float>> { spectrumBuffer.pointer }

  private let imageBuffer: FFTBuffer<Float>
  private let spectrumBuffer: FFTBuffer<SIMD2<Float>>
  private let forwardPlan: fftwf_plan
  private let inversePlan: fftwf_plan

  /// Plans transforms of images of `size` x `size` pixels.
  public init(size: Int) {
    self.size = size
    columns = size / 2 + 1
    imageBuffer = FFTBuffer(count: size * size)
    spectrumBuffer = FFTBuffer(count: size * columns)
    let n = Int32(size)
    let complex = UnsafeMutableRawPointer(spectrumBuffer.pointer)
      .assumingMemoryBound(to: fftwf_complex.self)
    let estimate = UInt32(FFTW_ESTIMATE)
    let image = imageBuffer.pointer
    (forwardPlan, inversePlan) = FFTWPlanner.exclusively {
      (
        fftwf_plan_dft_r2c_2d(n, n, image, complex, estimate),
        fftwf_plan_dft_c2r_2d(n, n, complex, image, estimate)
      )
    }
  }

  deinit {
    FFTWPlanner.exclusively {
      fftwf_destroy_plan(forwardPlan)
      fftwf_destroy_plan(inversePlan)
    }
  }

  /// `image` to `spectrum`; the image is kept.
  public func forward() { fftwf_execute(forwardPlan) }

  /// `spectrum` to `image`, times the number of pixels; the spectrum is overwritten.
  public func inverse() { fftwf_execute(inversePlan) }
}

/// The smallest number of at least `minimum` that is even and has no prime factor above 5: a length
/// that FFTW is fast at.
public func fastTransformLength(atLeast minimum: Int) -> Int {
  var length = max(2, minimum + minimum % 2)
  while true {
    var rest = length
    for prime in [2, 3, 5] { while rest % prime == 0 { rest /= prime } }
    if rest == 1 { return length }
    length += 2
  }
}
