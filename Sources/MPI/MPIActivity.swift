import Synchronization

/// The MPI call that this process is in: what a watching thread, which may not call MPI, can know.
public enum MPIActivity {
  /// The address of the function's name, which lives for ever; 0 outside MPI.
  private static let name = Atomic<UInt>(0)

  static func began(_ function: StaticString) {
    name.store(UInt(bitPattern: function.utf8Start), ordering: .relaxed)
  }

  static func ended() { name.store(0, ordering: .relaxed) }

  /// The name of the MPI function that this process is in, such as `MPI_Allreduce`; nil outside. Any thread
  /// may ask.
  public static var current: String? {
    UnsafePointer<UInt8>(bitPattern: name.load(ordering: .relaxed)).map { String(cString: $0) }
  }
}
