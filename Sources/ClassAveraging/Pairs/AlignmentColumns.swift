import ImageModel
import MPI
import Resume

/// Alignments, with a column for each of their numbers, as files and messages have them.
public struct AlignmentColumns: Sendable, Equatable {
  private var rotations: [Float] = []
  /// 1 where reflected.
  private var reflected: [UInt8] = []

  /// None.
  public init() {}
}

extension AlignmentColumns: RandomAccessCollection, MutableCollection, RangeReplaceableCollection {
  /// The same alignment, `count` times.
  public init(repeating alignment: Alignment, count: Int) {
    rotations = .init(repeating: alignment.rotation, count: count)
    reflected = .init(repeating: Self.flag(alignment), count: count)
  }

  /// 0.
  public var startIndex: Int { 0 }

  /// The number of alignments.
  public var endIndex: Int { rotations.count }

  /// One of the alignments.
  public subscript(at: Int) -> Alignment {
    get { Alignment(rotation: rotations[at], isReflected: reflected[at] == 1) }
    set {
      rotations[at] = newValue.rotation
      reflected[at] = Self.flag(newValue)
    }
  }

  /// Puts others in the place of some.
  public mutating func replaceSubrange(
    _ range: Range<Int>, with others: some Collection<Alignment>
  ) {
    rotations.replaceSubrange(range, with: others.lazy.map(\.rotation))
    reflected.replaceSubrange(range, with: others.lazy.map(Self.flag))
  }

  /// Puts one behind the others.
  public mutating func append(_ alignment: Alignment) {
    rotations.append(alignment.rotation)
    reflected.append(Self.flag(alignment))
  }

  /// Makes room for `count` in all.
  public mutating func reserveCapacity(_ count: Int) {
    rotations.reserveCapacity(count)
    reflected.reserveCapacity(count)
  }

  private static func flag(_ alignment: Alignment) -> UInt8 { alignment.isReflected ? 1 : 0 }
}

extension AlignmentColumns {
  /// Those of all ranks one after the other, on every rank. Collective.
  func allgathered(on comm: Communicator) throws -> AlignmentColumns {
    var whole = AlignmentColumns()
    whole.rotations = try comm.allgatherRagged(rotations)
    whole.reflected = try comm.allgatherRagged(reflected)
    return whole
  }

  /// Those of all ranks one after the other, on rank 0; none on the others. Collective.
  func gathered(on comm: Communicator) throws -> AlignmentColumns {
    var whole = AlignmentColumns()
    whole.rotations = try comm.gatherRagged(rotations)
    whole.reflected = try comm.gatherRagged(reflected)
    return whole
  }

  /// Rank 0's on every rank. Collective.
  func broadcast(on comm: Communicator) throws -> AlignmentColumns {
    var copy = AlignmentColumns()
    copy.rotations = try comm.broadcast(rotations)
    copy.reflected = try comm.broadcast(reflected)
    return copy
  }

  /// This rank's part of rank 0's. Collective.
  /// - Parameter counts: what each rank gets.
  func scattered(counts: [Int], on comm: Communicator) throws -> AlignmentColumns {
    var part = AlignmentColumns()
    part.rotations = try comm.scatterRagged(rotations, counts: counts)
    part.reflected = try comm.scatterRagged(reflected, counts: counts)
    return part
  }

  /// Saves them.
  func write(to writer: CheckpointWriter) throws {
    try writer.add(rotations)
    try writer.add(reflected)
  }

  /// What was saved.
  /// - Throws: `CheckpointDefect` where it is not `count` alignments.
  init(from reader: inout CheckpointReader, count: Int) throws {
    rotations = try reader.floats(count)
    reflected = try reader.array()
    try reader.require(reflected.count == count)
  }
}

/// A column of a table, or several that lie side by side.
protocol TableColumn: RandomAccessCollection, RangeReplaceableCollection where Index == Int {}

extension Array: TableColumn {}
extension AlignmentColumns: TableColumn {}
