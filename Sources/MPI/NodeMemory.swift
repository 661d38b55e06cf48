import COpenMPI
import Foundation

/// Memory that all ranks of one node see: one copy a node.
///
/// Allocated collectively by the ranks of `node` (from `Communicator.splitByNode`). Every rank may read and write it
/// between calls of `fence`, and gives up its hold by itself once nothing refers to it: unlike a window of MPI, which
/// its ranks have to free together.
public final class NodeMemory<Element: MPIDatatype> {
  /// The shared elements, zero at first.
  public let elements: UnsafeMutableBufferPointer<Element>
  private let node: Communicator
  private let bytes: Int

  private init(_ start: UnsafeMutableRawPointer, bytes: Int, count: Int, node: Communicator) {
    elements = .init(start: start.bindMemory(to: Element.self, capacity: count), count: count)
    self.bytes = bytes
    self.node = node
  }

  deinit { munmap(elements.baseAddress, bytes) }

  /// Ends an epoch: what any rank wrote before is seen by every rank after. Collective.
  public func fence() throws(MPIError) { try node.barrier() }

  /// Ends an epoch in which the nodes have written at different places: each then has what any has written, and a
  /// number that several have written is their sum. Collective over all ranks of `comm`, whose node this memory is of.
  public func addOverNodes(on comm: Communicator) throws(MPIError) {
    try fence()
    // What others write is zero here, and adding zero is exact.
    let leaders = try node.leaders(of: comm)
    if node.isRoot, leaders.size > 1 { try leaders.allreduce(elements) }
    try fence()
  }

  /// Memory of `count` elements, all zero; nil, on all ranks, where the node has no room for it. Collective.
  ///
  /// The pages are taken here, so that a node without room is found out before one is written: each rank takes a part,
  /// which then lies near its processor.
  public static func allocate(ifRoomFor count: Int, node: Communicator) throws(MPIError)
    -> NodeMemory?
  {
    let bytes = max(1, count * MemoryLayout<Element>.stride)
    guard let file = try sharedFile(node) else { return nil }
    defer { close(file) }
    let page = Int(getpagesize())
    let pages = Partition(of: (bytes + page - 1) / page, among: node.size).range(of: node.rank)
    var failure: Int32 = 0
    if !pages.isEmpty {
      repeat {
        failure = posix_fallocate(file, pages.lowerBound * page, pages.count * page)
      } while failure == EINTR
    }
    if try node.allreduce(Int(failure), .maximum) != 0 { return nil }
    let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    let isMapped = start != nil && start != MAP_FAILED
    let memory = isMapped ? NodeMemory(start!, bytes: bytes, count: count, node: node) : nil
    return try node.allreduce(isMapped ? 0 : 1, .maximum) == 0 ? memory : nil
  }

  /// The same where there has to be room.
  /// - Throws: `MPIError`, on all ranks; `MPI_ERR_NO_MEM` where the node has none.
  public static func allocate(count: Int, node: Communicator) throws(MPIError) -> NodeMemory {
    guard let memory = try allocate(ifRoomFor: count, node: node) else {
      throw MPIError(function: "posix_fallocate", code: MPI_ERR_NO_MEM)
    }
    return memory
  }

  /// An empty file in memory that all ranks have opened, or nil on all of them. It has no name by then: nothing is left
  /// of it when the ranks have ended, however they end. Collective.
  private static func sharedFile(_ node: Communicator) throws(MPIError) -> Int32? {
    let numbers = try node.broadcast([Int(getpid()), Int.random(in: 0..<1 << 31)])
    let name = "/kindred-\(numbers[0])-\(numbers[1])"
    var file: Int32 = -1
    if node.isRoot { file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600) }
    try node.barrier()
    if !node.isRoot { file = shm_open(name, O_RDWR, 0) }
    let hasFailed = try node.allreduce(file < 0 ? 1 : 0, .maximum) == 1
    if node.isRoot && file >= 0 { shm_unlink(name) }
    if hasFailed && file >= 0 { close(file) }
    return hasFailed ? nil : file
  }
}
