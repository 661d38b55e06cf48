import Testing

@testable import kindred

@Suite struct BLASKernelsTests {
  private let wide: Set<Substring> = [
    "sse2", "avx2", "fma", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl",
  ]

  @Test func onlyPrescottIsReplaced() {
    #expect(BLASKernels.better(than: "Prescott", features: wide) == "SkylakeX")
    #expect(BLASKernels.better(than: "Prescott", features: ["sse2", "avx2", "fma"]) == "Haswell")
    #expect(
      BLASKernels.better(than: "Prescott", features: wide.subtracting(["fma", "avx512vl"])) == nil)
    for core in ["SkylakeX", "Haswell", "Zen", "Sandybridge", "neoversen1"] {
      #expect(BLASKernels.better(than: core, features: wide) == nil)
    }
    #expect(!BLASKernels.core.isEmpty)
  }
}
