import CFFTW
import Foundation

/// Complex Fourier transforms of 16 sequences side by side, in place: element t of sequence l is
/// (`values[2 t][l]`, `values[2 t + 1][l]`), real and imaginary part. The sum is
/// sum over k of X_k exp(+2 pi i k t / length), not divided by anything.
public final class LaneFFT {
  /// Elements of a sequence.
  public let length: Int
  /// 2 x length vectors of 16.
  public let values: UnsafeMutablePointer<SIMD16<Float>>
  private let buffer: FFTBuffer<SIMD16<Float>>
  private let plan: fftwf_plan

  /// Plans transforms of sequences of `length` elements.
  public init(length: Int) {
    self.length = length
    buffer = FFTBuffer(count: 2 * length)
    values = buffer.pointer
    let real = UnsafeMutableRawPointer(values).assumingMemoryBound(to: Float.self)
    var dimension = fftwf_iodim(n: Int32(length), is: 32, os: 32)
    var lanes = fftwf_iodim(n: 16, is: 1, os: 1)
    // FFTW's split interface knows only exp(-i...): exchanging real and imaginary parts gives exp(+i...).
    plan = FFTWPlanner.exclusively {
      fftwf_plan_guru_split_dft(
        1, &dimension, 1, &lanes, real + 16, real, real + 16, real, UInt32(FFTW_ESTIMATE))
    }
  }

  deinit { FFTWPlanner.exclusively { fftwf_destroy_plan(plan) } }

  /// Transforms `values` in place.
  public func transform() { fftwf_execute(plan) }
}
