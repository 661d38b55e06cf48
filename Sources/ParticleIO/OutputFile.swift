import CShims
import Foundation

/// A file that appears under its final name only when it is complete.
///
/// Bytes go to a temporary name beside it; `finish` flushes them to the disk and renames. A file
/// that is dropped without `finish` is removed, also when a signal ends the program (`Universe.run`). Not for
/// use by several threads at once.
public final class OutputFile {
  /// The final path.
  public let path: String
  let temporaryPath: String
  /// Where a signal handler finds the temporary name; nil where another process removes and names the file.
  private let temporary: Int32?
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var flushed = 0

  /// Buffered bytes are written when there are this many, and so many at once are also stored at once.
  public static let bufferLimit = 1 << 20

  /// Creates the temporary file; throws `OutputError` with the system's reason.
  public init(path: String) throws {
    self.path = path
    var name = ""
    var opened: Int32 = -1
    repeat {
      let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 36)
      name = "\(path).part-\(suffix)"
      opened = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    } while opened < 0 && (errno == EEXIST || errno == EINTR)
    if opened < 0 { throw OutputError(file: path, "cannot be created: \(systemMessage())") }
    temporaryPath = name
    temporary = kindred_temporary_add(name)
    descriptor = opened
  }

  /// Opens the file that another process is making under a temporary name, to write parts of it (`write`). `finish`
  /// flushes them to the disk; the name is the other's. Throws `OutputError`.
  init(joining temporaryPath: String, of path: String) throws {
    self.path = path
    self.temporaryPath = temporaryPath
    temporary = nil
    repeat {
      descriptor = open(temporaryPath, O_WRONLY | O_CLOEXEC)
    } while descriptor < 0 && errno == EINTR
    if descriptor < 0 {
      throw OutputError(
        file: path,
        "cannot be opened by a second rank: \(systemMessage()); all nodes must share its folder")
    }
  }

  deinit {
    if descriptor >= 0 { discard() }
  }

  /// Closes the file and removes it.
  private func discard() {
    close(descriptor)
    descriptor = -1
    removeTemporary()
  }

  private func removeTemporary() {
    guard let temporary else { return }
    unlink(temporaryPath)
    kindred_temporary_forget(temporary)
  }

  /// The number of bytes appended so far.
  public var count: Int { flushed + buffer.count }

  /// Appends bytes; small pieces are collected and written together.
  public func append(_ bytes: UnsafeRawBufferPointer) throws {
    if bytes.count >= Self.bufferLimit {
      try flush()
      try write(bytes, at: flushed)
      flushed += bytes.count
    } else {
      buffer.append(contentsOf: bytes)
      if buffer.count >= Self.bufferLimit { try flush() }
    }
  }

  /// Appends the text's UTF-8 bytes.
  public func append(_ text: String) throws {
    var copy = text
    try copy.withUTF8 { try append(UnsafeRawBufferPointer($0)) }
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try write($0, at: flushed) }
    flushed += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes bytes at an offset, unbuffered; throws `OutputError`, for example on a full disk.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    precondition(descriptor >= 0, "the file is finished")
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw OutputError(file: path, "cannot be written: \(systemMessage())")
      }
      if count == 0 && bytes.count > 0 {
        throw OutputError(file: path, "cannot be written: the system takes no more bytes")
      }
      done += count
    }
    if bytes.count >= Self.bufferLimit { startStoring(bytes.count, at: offset) }
  }

  /// Has the system begin to store bytes on the disk while the program goes on, so that `finish` has less to wait
  /// for. Only a hint: where it cannot be followed, `finish` stores them.
  private func startStoring(_ count: Int, at offset: Int) {
    kindred_start_storing(descriptor, Int64(offset), Int64(count))
  }

  /// Gives the file its size before others join it: on NFS, a client that writes past what it takes for the end
  /// fills up the page with zeros, over what another has written there. Throws `OutputError`.
  func extend(to size: Int) throws {
    var extended: Int32
    repeat { extended = ftruncate(descriptor, off_t(size)) } while extended != 0 && errno == EINTR
    if extended != 0 { throw OutputError(file: path, "cannot be written: \(systemMessage())") }
  }

  /// Flushes the file to the disk and gives it its final name, replacing a file that is there.
  public func finish() throws {
    try flush()
    var synchronised: Int32
    repeat { synchronised = fsync(descriptor) } while synchronised != 0 && errno == EINTR
    if synchronised != 0 {
      throw OutputError(file: path, "cannot be written: \(systemMessage())")
    }
    // Some network file systems report a full disk only here.
    let closed = close(descriptor)
    let reason = errno
    descriptor = -1
    // After EINTR the descriptor is gone, and fsync has written everything.
    if closed != 0 && reason != EINTR {
      removeTemporary()
      throw OutputError(file: path, "cannot be written: \(systemMessage(reason))")
    }
    guard let temporary else { return }
    if rename(temporaryPath, path) != 0 {
      let reason = errno
      removeTemporary()
      throw OutputError(file: path, "cannot be renamed: \(systemMessage(reason))")
    }
    kindred_temporary_forget(temporary)
    synchroniseFolder()
  }

  /// Makes the new name last through a crash; not every file system can, so failure is no error.
  private func synchroniseFolder() {
    let folder = (path as NSString).deletingLastPathComponent
    let opened = open(folder.isEmpty ? "." : folder, O_RDONLY | O_CLOEXEC)
    if opened >= 0 {
      fsync(opened)
      close(opened)
    }
  }
}
