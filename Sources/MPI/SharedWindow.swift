import COpenMPI
import CShims
import Foundation

/// Memory that all ranks of one node see (`MPI_Win_allocate_shared`): one copy a node.
///
/// Made and freed collectively by the ranks of `node` (from `Communicator.splitByNode`). Rank 0 of
/// the node owns the memory; every rank may read and write it between calls of `fence`.
public struct SharedWindow<Element: MPIDatatype>: ~Copyable {
  private var window: MPI_Win?
  /// The shared elements, zero at first.
  public let elements: UnsafeMutableBufferPointer<Element>

  private init(window: MPI_Win?, elements: UnsafeMutableBufferPointer<Element>) {
    self.window = window
    self.elements = elements
  }

  /// A window of `count` elements, all zero; collective over the ranks of `node`.
  /// - Throws: `MPIError`, on all ranks; `MPI_ERR_NO_MEM` where the node has no room for it.
  public static func allocate(count: Int, node: Communicator) throws(MPIError) -> SharedWindow {
    if !(try hasRoom(for: count, node: node)) {
      throw MPIError(function: "MPI_Win_allocate_shared", code: MPI_ERR_NO_MEM)
    }
    let bytes = node.isRoot ? count * MemoryLayout<Element>.stride : 0
    var base: UnsafeMutableRawPointer?
    var window: MPI_Win?
    try check(
      MPI_Win_allocate_shared(
        bytes, Int32(MemoryLayout<Element>.stride), kindred_info_null(), node.raw, &base, &window),
      "MPI_Win_allocate_shared")
    var size = 0
    var unit: Int32 = 0
    try check(MPI_Win_shared_query(window, 0, &size, &unit, &base), "MPI_Win_shared_query")
    if node.isRoot, let base { memset(base, 0, count * MemoryLayout<Element>.stride) }
    try check(MPI_Win_fence(0, window), "MPI_Win_fence")
    let elements = UnsafeMutableBufferPointer(
      start: base?.bindMemory(to: Element.self, capacity: count), count: count)
    return SharedWindow(window: window, elements: elements)
  }

  /// Whether the node has room for a window of `count` elements; collective over its ranks.
  ///
  /// Open MPI keeps windows in this file system by default; where that is full, it hangs or a rank gets SIGBUS.
  public static func hasRoom(for count: Int, node: Communicator) throws(MPIError) -> Bool {
    var status = statvfs()
    var isFull = 0
    if node.isRoot, statvfs("/dev/shm", &status) == 0 {
      let blocks = count * MemoryLayout<Element>.stride / Int(status.f_frsize) + 1
      isFull = blocks >= Int(status.f_bavail) ? 1 : 0
    }
    return try node.broadcast([isFull])[0] == 0
  }

  /// Ends an epoch: what any rank wrote before is seen by every rank after. Collective.
  public func fence() throws(MPIError) {
    try check(MPI_Win_fence(0, window), "MPI_Win_fence")
  }

  /// Gives the memory back. Collective, so no `deinit` does it.
  public consuming func free() throws(MPIError) {
    try check(MPI_Win_free(&window), "MPI_Win_free")
  }
}
