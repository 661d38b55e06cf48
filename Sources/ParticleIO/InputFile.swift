import Foundation

/// A file open for reading at any offset (`pread`), so that several threads may use it.
package final class InputFile: Sendable {
  package let path: String
  /// The size in bytes when the file was opened.
  package let byteCount: Int
  /// What the file was when it was opened.
  let version: FileVersion
  private let descriptor: Int32

  /// Opens a regular file; throws `InputError` with the system's reason.
  package init(path: String) throws {
    var opened: Int32
    repeat { opened = open(path, O_RDONLY | O_CLOEXEC) } while opened < 0 && errno == EINTR
    if opened < 0 { throw InputError(file: path, "cannot be opened: \(systemMessage())") }
    var status = stat()
    if fstat(opened, &status) != 0 || status.st_mode & S_IFMT == S_IFDIR {
      close(opened)
      throw InputError(file: path, "is not a file that can be read")
    }
    self.path = path
    descriptor = opened
    version = FileVersion(status)
    byteCount = version.byteCount
  }

  deinit { close(descriptor) }

  /// Fills `bytes` from `offset` on; throws `InputError` where the file ends before, or where it has been
  /// written to since it was opened.
  package func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      let count = pread(
        descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw InputError(file: path, "cannot be read: \(systemMessage())")
      }
      if count == 0 {
        try checkVersion()
        throw InputError(
          file: path, "ends after \(offset + done) bytes; \(offset + bytes.count) expected")
      }
      done += count
    }
    try checkVersion()
  }

  /// - Throws: `InputError` where the file is no longer what it was when it was opened.
  private func checkVersion() throws {
    var status = stat()
    if fstat(descriptor, &status) != 0 {
      throw InputError(file: path, "cannot be read: \(systemMessage())")
    }
    if let change = version.change(to: FileVersion(status)) {
      throw InputError(file: path, change)
    }
  }
}

/// The text of `errno`, such as `No space left on device`.
package func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
