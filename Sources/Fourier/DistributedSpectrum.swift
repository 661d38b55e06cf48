import CFFTW
import MPI

/// The discrete Fourier transform of a real cube that no rank holds as a whole.
///
///     F[kz][ky][kx] = sum over z, y, x of f[z][y][x] exp(-2 pi i (kz z + ky y + kx x) / size)
///
/// FFTW-MPI's slab decomposition in double precision: the input is shared in planes of z, the
/// spectrum in planes of ky (FFTW_MPI_TRANSPOSED_OUT, which saves the second of two all-to-all
/// transpositions). kx runs from 0 to size/2, the rest follows from F(-k) = conj F(k). A rank holds
/// about 8 size^3 / ranks bytes. See "Distributed-memory FFTW with MPI" in FFTW's manual.
///
/// Plans are estimated, not measured: a measured plan would make the last bits depend on the
/// machine's load.
public struct DistributedSpectrum: ~Copyable {
  /// The cube's edge.
  public let size: Int
  /// The rows' ky that this rank holds.
  public let rows: Range<Int>
  private let storage: UnsafeMutablePointer<fftw_complex>

  private init(size: Int, rows: Range<Int>, storage: UnsafeMutablePointer<fftw_complex>) {
    self.size = size
    self.rows = rows
    self.storage = storage
  }

  deinit { fftw_free(storage) }

  /// Transforms the cube whose planes `fill` writes. Collective.
  ///
  /// - Parameters:
  ///   - size: the cube's edge, at least 1.
  ///   - comm: the ranks that take part.
  ///   - fill: writes plane z (each rank is asked for its own planes, in order): row y begins at
  ///     element `y * stride` and has `size` values; the plane is zero when `fill` gets it.
  /// - Throws: `ReportedError` on every rank when `fill` throws on one; `MPIError`.
  public static func transform(
    size: Int, on comm: Communicator,
    fill: (_ z: Int, _ plane: UnsafeMutableBufferPointer<Double>, _ stride: Int) throws -> Void
  ) throws -> DistributedSpectrum {
    precondition(size > 0)
    let half = size / 2 + 1
    var planeCount = 0
    var firstPlane = 0
    var rowCount = 0
    var firstRow = 0
    fftw_mpi_init()
    let length = max(
      1,
      fftw_mpi_local_size_3d_transposed(
        size, size, half, comm.raw, &planeCount, &firstPlane, &rowCount, &firstRow))

    let spectrum = DistributedSpectrum(
      size: size, rows: firstRow..<firstRow + rowCount, storage: fftw_alloc_complex(length)!)
    let reals = UnsafeMutableRawPointer(spectrum.storage).bindMemory(
      to: Double.self, capacity: 2 * length)
    guard
      let plan = FFTWPlanner.exclusively({
        fftw_mpi_plan_dft_r2c_3d(
          size, size, size, reals, spectrum.storage, comm.raw,
          FFTW_ESTIMATE | UInt32(FFTW_MPI_TRANSPOSED_OUT))
      })
    else { preconditionFailure("FFTW-MPI has no plan for a real cube of \(size)") }
    // FFTW-MPI's plans own communicators, so that destroying one is collective as well.
    defer { FFTWPlanner.exclusively { fftw_destroy_plan(plan) } }

    reals.update(repeating: 0, count: 2 * length)
    let planeLength = size * 2 * half
    try comm.agree {
      for index in 0..<planeCount {
        let plane = UnsafeMutableBufferPointer(
          start: reals + index * planeLength, count: planeLength)
        try fill(firstPlane + index, plane, 2 * half)
      }
    }
    fftw_execute(plan)
    return spectrum
  }

  /// Calls `body` with every row of the spectrum that this rank holds: `row[kx]` is the real and the
  /// imaginary part of F[kz][ky][kx], kx from 0 to size/2; kz and ky run from 0 to size - 1, so that
  /// the upper half are the negative frequencies.
  public func forEachRow(
    _ body: (_ kz: Int, _ ky: Int, _ row: UnsafeBufferPointer<SIMD2<Double>>) -> Void
  ) {
    let half = size / 2 + 1
    let count = rows.count * size * half
    UnsafeMutableRawPointer(storage).withMemoryRebound(to: SIMD2<Double>.self, capacity: count) {
      values in
      for (index, ky) in rows.enumerated() {
        for kz in 0..<size {
          let start = (index * size + kz) * half
          body(kz, ky, UnsafeBufferPointer(start: values + start, count: half))
        }
      }
    }
  }
}
