import CScaLAPACK
import MPI

/// A ScaLAPACK routine that reported failure through `info`.
public struct ScaLAPACKError: Error, CustomStringConvertible, Sendable {
  /// The routine, such as `pdgeqrf`.
  public let routine: String
  /// Negative: an argument with a bad value; positive: the computation did not converge.
  public let info: Int32

  public var description: String { "ScaLAPACK's \(routine) failed: info = \(info)" }
}

/// Turns a routine's `info` into an error.
func checkScaLAPACK(_ info: Int32, _ routine: String) throws(ScaLAPACKError) {
  if info != 0 { throw ScaLAPACKError(routine: routine, info: info) }
}

/// A BLACS grid of processes over the first `rows * columns` ranks of a communicator, in rank order.
///
/// Made and closed collectively by all ranks of the communicator, so no `deinit` closes it.
struct ProcessGrid: ~Copyable {
  private let handle: Int32
  private let context: Int32
  /// This rank's place; nil on the ranks outside the grid, which take no part in its routines.
  let place: (row: Int, column: Int)?
  let rows: Int
  let columns: Int

  init(rows: Int, columns: Int, over communicator: Communicator) {
    precondition(rows * columns <= communicator.size, "a grid larger than its communicator")
    handle = Csys2blacs_handle(UnsafeMutableRawPointer(communicator.raw))
    var context = handle
    Cblacs_gridinit(&context, "Row", Int32(rows), Int32(columns))
    var extent: (Int32, Int32) = (0, 0)
    var row: Int32 = -1
    var column: Int32 = -1
    if communicator.rank < rows * columns {
      Cblacs_gridinfo(context, &extent.0, &extent.1, &row, &column)
    }
    self.context = context
    self.rows = rows
    self.columns = columns
    place = row >= 0 ? (Int(row), Int(column)) : nil
  }

  /// How many of `count` rows or columns, dealt out in blocks of `block`, part `part` of `parts` has.
  static func localCount(of count: Int, block: Int, part: Int, parts: Int) -> Int {
    var n = Int32(count)
    var nb = Int32(block)
    var part = Int32(part)
    var source: Int32 = 0
    var parts = Int32(parts)
    return Int(numroc_(&n, &nb, &part, &source, &parts))
  }

  /// The descriptor of a block-cyclic matrix on this grid; `leadingDimension` is this rank's.
  func descriptor(
    rows: Int, columns: Int, rowBlock: Int, columnBlock: Int, leadingDimension: Int
  ) throws(ScaLAPACKError) -> [Int32] {
    var descriptor = [Int32](repeating: 0, count: 9)
    var (m, n, mb, nb) = (Int32(rows), Int32(columns), Int32(rowBlock), Int32(columnBlock))
    var (source, context, ld, info) = (Int32(0), context, Int32(max(1, leadingDimension)), Int32(0))
    descinit_(&descriptor, &m, &n, &mb, &nb, &source, &source, &context, &ld, &info)
    try checkScaLAPACK(info, "descinit")
    return descriptor
  }

  /// Frees the grid; collective.
  consuming func close() {
    if place != nil { Cblacs_gridexit(context) }
    Cfree_blacs_system_handle(handle)
  }
}
