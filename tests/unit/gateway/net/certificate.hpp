// Certificates for tests, made on the spot.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <string>

#include "gateway/net/tls_context.hpp"
#include "tests/unit/temp_dir.hpp"

namespace envgate::net {

// A self-signed P-256 certificate for `names` ("DNS:a.example,DNS:*.b.example"), in two files of `directory`.
inline CertificateFiles make_certificate(const test::TempDir& directory, const std::string& file,
                                         const std::string& names) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  if (!names.empty()) {
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate, key, EVP_sha256());
  const CertificateFiles files{directory.path(file + ".pem"), directory.path(file + ".key")};
  if (FILE* const out = std::fopen(files.certificate.c_str(), "w")) {
    PEM_write_X509(out, certificate);
    std::fclose(out);
  }
  if (FILE* const out = std::fopen(files.key.c_str(), "w")) {
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace envgate::net
