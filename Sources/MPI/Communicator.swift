import COpenMPI
import CShims

/// A group of ranks that talk to each other.
///
/// Not `Sendable`: MPI calls stay on the thread that initialised MPI (`MPI_THREAD_FUNNELED`), and the
/// compiler holds them there.
public struct Communicator {
  /// The MPI handle, for libraries that take one (FFTW-MPI, BLACS).
  public let raw: MPI_Comm
  /// This process's number in the group, from 0.
  public let rank: Int
  /// The number of ranks in the group.
  public let size: Int
  /// What this rank has sent through this communicator, those split from it and the one it was split from.
  public let traffic: Traffic
  private let made = Made()

  /// What `splitByNode` and `leaders` have made.
  private final class Made {
    var node: Communicator?
    var leaders: Communicator?
  }

  init(_ raw: MPI_Comm, traffic: Traffic = Traffic()) throws(MPIError) {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(raw, &rank), "MPI_Comm_rank")
    try check(MPI_Comm_size(raw, &size), "MPI_Comm_size")
    self.raw = raw
    self.rank = Int(rank)
    self.size = Int(size)
    self.traffic = traffic
  }

  /// Whether this is rank 0, which collects and writes.
  public var isRoot: Bool { rank == 0 }

  /// Waits until every rank is here.
  public func barrier() throws(MPIError) {
    try traffic.check(
      traffic.now(),
      MPI_Barrier(raw),
      "MPI_Barrier", bytes: 0)
  }

  /// The ranks of this group that share this node's memory (`MPI_Comm_split_type`). Collective at the first call,
  /// which all ranks make together.
  public func splitByNode() throws(MPIError) -> Communicator {
    if let node = made.node { return node }
    var node: MPI_Comm? = kindred_comm_null()
    try check(
      MPI_Comm_split_type(
        raw, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), kindred_info_null(), &node),
      "MPI_Comm_split_type")
    let ranks = try Communicator(node!, traffic: traffic)
    made.node = ranks
    return ranks
  }

  /// The first ranks of all nodes, of which these are one's (`splitByNode`); on the other ranks a group of no use.
  /// Collective over all ranks of `comm` at the first call.
  func leaders(of comm: Communicator) throws(MPIError) -> Communicator {
    if let leaders = made.leaders { return leaders }
    let leaders = try comm.split(colour: isRoot ? 0 : 1, key: comm.rank)
    made.leaders = leaders
    return leaders
  }

  /// The ranks that give the same `colour`, ordered by `key`.
  public func split(colour: Int, key: Int) throws(MPIError) -> Communicator {
    var part: MPI_Comm? = kindred_comm_null()
    try check(MPI_Comm_split(raw, count32(colour), count32(key), &part), "MPI_Comm_split")
    return try Communicator(part!, traffic: traffic)
  }

  /// Which rank this is, and where, for messages: `rank 3 of 8 on node7`.
  public var place: String { "rank \(rank) of \(size) on \(Self.hostName)" }

  /// The host this rank runs on.
  public static var hostName: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_PROCESSOR_NAME) + 1)
    var length: Int32 = 0
    MPI_Get_processor_name(&text, &length)
    return String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The MPI library's own description, such as `Open MPI v4.1.4`.
  public static var libraryVersion: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1)
    var length: Int32 = 0
    MPI_Get_library_version(&text, &length)
    let whole = String(
      decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(whole.split(separator: ",").first ?? "")
  }

  /// Seconds of a monotonic clock.
  public static func wallTime() -> Double { MPI_Wtime() }
}
