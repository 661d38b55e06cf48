import Synchronization

/// The MPI call that this process is in: what a watching thread, which may not call MPI, can know.
public enum MPIActivity {
  /// The address of the name of the communicator's function that calls MPI, which lives for ever; 0 outside.
  private static let name = Atomic<UInt>(0)

  static func began(_ caller: StaticString) {
    name.store(UInt(bitPattern: caller.utf8Start), ordering: .relaxed)
  }

  static func ended() { name.store(0, ordering: .relaxed) }

  /// The name of the communicator's function that waits for MPI, such as `allreduce`; nil outside. Any thread
  /// may ask.
  public static var current: String? {
    UnsafePointer<UInt8>(bitPattern: name.load(ordering: .relaxed)).map {
      String(String(cString: $0).prefix { $0 != "(" })
    }
  }
}
