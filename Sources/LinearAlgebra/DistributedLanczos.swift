import COpenMPI
import CPARPACK
import MPI

/// A PARPACK routine that reported failure through `info`.
public struct PARPACKError: Error, CustomStringConvertible, Sendable {
  /// The routine's name.
  public let routine: String
  /// As PARPACK documents it; 1 of `pdsaupd`: the restarts allowed did not suffice.
  public let info: Int
  /// Eigenvalues that had converged, and how many were asked for.
  public let converged: Int
  /// Eigenvalues that were asked for.
  public let wanted: Int

  public var description: String {
    "PARPACK's \(routine) failed (info \(info)): \(converged) of \(wanted) eigenvalues converged"
  }
}

/// The largest eigenvalues of a symmetric operator, and their eigenvectors, by the implicitly restarted
/// Lanczos method (PARPACK `pdsaupd`, `pdseupd`; Lehoucq, Sorensen, Yang 1998). Vectors are shared among
/// the ranks in slices.
public struct DistributedLanczos: Sendable {
  /// Descending; the same on every rank.
  public let values: [Double]
  /// This rank's rows of the orthonormal eigenvectors, column-major, rows x values; each column's sign is
  /// arbitrary.
  public let vectors: [Double]
  /// How often the operator was applied.
  public let products: Int

  /// Collective.
  ///
  /// - Parameters:
  ///   - count: how many eigenvalues, at least 1 and fewer than the operator's order.
  ///   - order: rows of A.
  ///   - rows: the global indices of this rank's elements of a vector; not empty. The ranks' slices
  ///     together are 0..<order.
  ///   - tolerance: of the eigenvalues' relative error.
  ///   - restarts: at most so many.
  ///   - communicator: the ranks that take part.
  ///   - product: writes this rank's elements of A x, given this rank's elements of x; called by all
  ///     ranks together.
  /// - Throws: `PARPACKError` where the eigenvalues do not converge, and what `product` throws.
  public init(
    largest count: Int, order: Int, rows: Range<Int>, tolerance: Double = 1e-11,
    restarts: Int = 3000, over communicator: Communicator,
    product: (UnsafeBufferPointer<Double>, UnsafeMutableBufferPointer<Double>) throws -> Void
  ) throws {
    precondition(count >= 1 && count < order, "\(count) eigenvalues of a matrix of order \(order)")
    precondition(!rows.isEmpty, "a rank without a part of the vectors")
    let n = rows.count
    // Three times as many vectors as are wanted save restarts where eigenvalues crowd.
    let basis = min(order, max(3 * count, count + 20))
    let workLength = basis * (basis + 8)
    let memory = Workspace(
      lengths: [n, n * basis, 3 * n, workLength, count, n * count])
    defer { withExtendedLifetime(memory) {} }
    let (residual, lanczos, work) = (memory[0], memory[1], memory[2])
    let (workl, ritz, ritzVectors) = (memory[3], memory[4], memory[5])
    // A start of our own, the same at any number of ranks.
    for (at, row) in rows.enumerated() { residual[at] = Self.startElement(row) }

    let comm = Int32(MPI_Comm_c2f(communicator.raw))
    var parameters = [Int32](repeating: 0, count: 11)
    (parameters[0], parameters[2], parameters[3], parameters[6]) = (1, Int32(restarts), 1, 1)
    var places = [Int32](repeating: 0, count: 11)
    let (localRows, wanted, ncv) = (Int32(n), Int32(count), Int32(basis))
    var ido: Int32 = 0
    var info: Int32 = 1
    while true {
      pdsaupd_c(
        comm, &ido, "I", localRows, "LA", wanted, tolerance, residual, ncv, lanczos, localRows,
        &parameters, &places, work, workl, Int32(workLength), &info)
      guard ido == 1 || ido == -1 else { break }
      try product(
        UnsafeBufferPointer(start: work + Int(places[0]) - 1, count: n),
        UnsafeMutableBufferPointer(start: work + Int(places[1]) - 1, count: n))
    }
    func check(_ routine: String) throws {
      if info != 0 {
        throw PARPACKError(
          routine: routine, info: Int(info), converged: Int(parameters[4]), wanted: count)
      }
    }
    try check("pdsaupd")
    products = Int(parameters[8])
    let select = [Int32](repeating: 0, count: basis)
    pdseupd_c(
      comm, 1, "A", select, ritz, ritzVectors, localRows, 0, "I", localRows, "LA", wanted,
      tolerance, residual, ncv, lanczos, localRows, &parameters, &places, work, workl,
      Int32(workLength), &info)
    try check("pdseupd")
    let descending = (0..<count).sorted { (ritz[$0], $1) > (ritz[$1], $0) }
    values = descending.map { ritz[$0] }
    vectors = descending.flatMap { UnsafeBufferPointer(start: ritzVectors + $0 * n, count: n) }
  }

  /// Between -1 and 1, scattered (the finaliser of SplitMix64).
  private static func startElement(_ row: Int) -> Double {
    var z = (UInt64(row) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double(Int64(bitPattern: z ^ (z >> 31))) * 0x1p-63
  }
}

/// Arrays that stay where they are while PARPACK returns for products and is called again.
private final class Workspace {
  private let arrays: [UnsafeMutablePointer<Double>]

  init(lengths: [Int]) {
    arrays = lengths.map {
      let array = UnsafeMutablePointer<Double>.allocate(capacity: $0)
      array.initialize(repeating: 0, count: $0)
      return array
    }
  }

  subscript(_ index: Int) -> UnsafeMutablePointer<Double> { arrays[index] }

  deinit { for array in arrays { array.deallocate() } }
}
