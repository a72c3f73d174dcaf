// The SHA-256 checksums of the archives of Kata's releases, data only. The Kata project does not publish any, so these were
// read in public places: Kubespray (checksums.yml), siderolabs/extensions (container-runtime/vars.yaml), the AUR package
// kata-all-bin, and packages and scripts of other projects. They were not compared with a download of the archives.
//
// Two independent sources agree on each checksum, except on those with a trailing "?", for which only one source is known. Such a
// checksum may be outdated if the project replaced the archive later; the download then fails with a checksum error.

/** The archives of a release that contain a shim. */
export type ArchiveName = "kata-static" | "kata-go-static";

/** The checksum of the archive for each architecture; with a trailing "?" if only one source is known. */
type Sums = { amd64?: string; arm64?: string };

export const checksums: Record<ArchiveName, { [version: string]: Sums }> = {
    "kata-static": {
        "4.2.0": {
            amd64: "b828904fa3f1e49ddd7dc799c72cb1503cd1e772d354c3987c8d4189b2a623a8",
            arm64: "5dd4e9f2d5ea9e6bdfa2f476b3315335b58252366fcda2775a3094fc8fec376b",
        },
        "4.1.0": {
            amd64: "3dc6b69c4acb787b967b04b64599a20d02a8beb1a8eaab3084110df9d0b08c96",
            arm64: "cf036de3d184dc080fe84dfbdbf06cd6811386224ff8c6aaee3b5d732722e58f",
        },
        "4.0.0": {
            amd64: "2c3b9dfeba355582b40aee462b12916c9740654d0230f696adf719d67b063a8c",
            arm64: "730c789efa2a1e0a762875f5241126c8558fb238e87562ae52e1f1f2a748385c",
        },
        "3.32.0": {
            amd64: "1449ecea50bd91fa73a94648db195d18950fe869ba4b1f12d05f55f1fa7c1b01",
            arm64: "8736c054d9223974735394f822000823baef509e1c33405ec798240fa9b6e4b5",
        },
        "3.31.0": {
            amd64: "68c2786a0b97023f62f3eca02dc868b78a794e5469d4ddd6cc9e0bd4a7212b0b",
            arm64: "42a7e67a2c2bf3e97a615c99a293b2bc01ea9c84111fc2bf4abeedb7adc9c2ac",
        },
        "3.30.0": {
            amd64: "e65aa5e5bd9f4d59bcd12a8c44a00966406e7329511dd3f756026b6eedc8ad26",
            arm64: "3f9df0cc898716caa3dd29315d1d5a1e9a6ad2b355ed6a4698eca81a8fbcdc41",
        },
        "3.29.0": {
            amd64: "19d0241405bc2b8fdc74240f381ab021880d1d8c7adf1fd7859f8f6370e735f3",
            arm64: "f1309973134d48015a3b283d26f53d66c42bb590c53813c8ed2254212a24d1ad",
        },
        "3.28.0": {
            amd64: "99cefb46d70bc27b7bcffd7595be9010c6bed43e1cdfcf8078554c19e7c9b19d",
            arm64: "f63d54507d1f18635d94475077e4c2330de4d8e05cedf25f7c38f063b0e66a91",
        },
        "3.27.0": {
            amd64: "f91c2748d45b67a13f09652be354304528e4e7e93502fa78d16fcad7cbc9cb2a",
            arm64: "16b7f5990e3564ad7d857f28092ad073064709ebacc97e2b3e5d9e4bacbb5836",
        },
        "3.26.0": {
            amd64: "6c4ccee54808bdec1498a390ba9adb24e05255dd81134f1b161c456198f7cc3f?",
            arm64: "83cf59d06ef66565338f78eb47c34a4885d8d79312178650efb5b2cdad357922",
        },
        "3.25.0": {
            amd64: "7eb7ab81f86c97bfd8b95ba90dd7a96641de98ea0f3981d83b9282b2ff6faeca?",
            arm64: "bc13286886254037dde0c916ec8b787d33de1eb182452b87aeab88d4ad9749b9?",
        },
        "3.24.0": {
            amd64: "f05bbe8e41eb19e4e735baab90c73a9d9968e83356c281a871b6452aa6b06149?",
            arm64: "da934ff8206f5780c101e1a2c087bc32975ab2370385cf4bdad71102b3fb00dc?",
        },
        "3.23.0": {
            amd64: "3b72a0e43424cda460c956619321656b5520493462d3c171a18f7e4dfde22edc?",
            arm64: "6b15dee4fdad4dd57d0d4bb9d9bcfbc8a8657286a90a95d248b92b7c779c2f29?",
        },
        "3.22.0": {
            amd64: "9c8a1e8832a53bbb821b57b1fd8bda077c2d99adb22b655b7b6a567423b3cc3a",
            arm64: "cba2c7c0be7b71c7d8c02d064927ff88ae4fff7f9a50298706e51a90f757d824?",
        },
        "3.21.0": {
            amd64: "03ca87d6029cbb3a103d6aa74f3b20eb39f8a8b1795e4e1b2d8d2ee20b2be008",
            arm64: "d7c8e717bcce391bfff4e5747f3c87852201264cb257afac59be6156d4413aac?",
        },
        "3.20.0": {
            amd64: "bc6bc429cbf28199193cff5dea449991153842971be8ab95f07b954e4baecef5",
            arm64: "e190d41ce15943e5aaf8c54e3c6538f6b556f74c9ace516a67c018c863e78d35",
        },
        "3.18.0": {
            amd64: "ee3dfd665e458a129afb58927143b6bd9acafc4caf4c892312a2bf0124c57a21?",
            arm64: "13d35f32fda091a9838b1f2aeaf875c29c59a3937ca2a36d4da8049a711eee7e?",
        },
        "3.17.0": {
            amd64: "1298e24922b03507e93563267c0049bc81a91666fda87f8632006828578e60e0",
            arm64: "647c7612e6edf789d5e14698c48c99d8bac15ad139ffaa1c8bb7d229f748d181",
        },
        "3.16.0": {
            amd64: "56cb69a7bb6d3364e92155e06283972e71654a88c70816a55f891f209a8f74db?",
            arm64: "161875f74282015a5f4d86ca9d06f4e47626402eddaf5cccd288a5a3e82d87e0?",
        },
        "3.15.0": {
            amd64: "4953869f2a84950accf3e05675d97f32001fab79f2f54b67cd5809f10ffe9014?",
            arm64: "fc6b157c82fd1634d2a43dc0aeb5d4adf1e95f429413cba0dff362c71435e27a?",
        },
        "3.14.0": {
            amd64: "3ec3a62f29042ac0d72f9f28625e053e6dc9f1fe59e31ff6d9437c579821fd19?",
            arm64: "e0a0394a6ff9bc03432a6027ffdce12581875d56d1c70fd1dd9b909da78188af?",
        },
        "3.7.0": {
            amd64: "bebf218cafdc082476c7dabbcc5439aee6a41d6dda24dd3cfffbe0a6ae94e23d?",
            arm64: "23e0d5c4e38c6944729a11c631f947abc5aab19427a44d8691bfb9ad1c38b831?",
        },
        "3.6.0": {
            amd64: "d418859e123d04edd71e79c8f532213e5281ec7170b97cdfe3cf85487187d60f?",
            arm64: "38277c8d1b9f3c4ea1089338f9251238551b88a5259e8e8ed45fe392ec1ed4bd?",
        },
        "3.5.0": {
            amd64: "cd0e6a70828db3f9e27390f08c863edda36824c201c35eaa0a4c7498b7e4c9e3?",
            arm64: "fa4cf67d010244c4f8d0e6d450d04e28d1bbce5ad1a3cbc0154adff628d56c0c?",
        },
        "3.4.0": {
            amd64: "13f2c2442a4bbcafddcb4739428bee95eb26600516a96e29576fa0ff31152e44?",
            arm64: "f961a283a9da3c6be8a6442842913b036cf0354b9e99d5a8d7a5cc9d923bcd8f?",
        },
        "3.3.0": {
            amd64: "72e29c7b3ee325e0049bf694bbb843ed07c3eb0a05d89c2b3a1635241e4bafe8",
            arm64: "5437f0162e08154260c58642f433d8a9154fb6d443ca2c1ddee675154ec88c9d",
        },
        "3.2.0": {
            amd64: "21bb8484a060450d6522f29bed7d88d773c28520774eaa2c522b6f47fd12c4a1",
            arm64: "40627b7ac677ce0f5ffc73b32c1a8bc553e75b746b6cdf8f14642ac27dac3148",
        },
        "3.1.3": {
            amd64: "266c906222c85b67867dea3c9bdb58c6da0b656be3a29f9e0bed227c939f3f26?",
        },
        "3.1.2": {
            amd64: "11a2921242cdacf08a72bbce85418fc21c2772615cec6f3de7fd371e04188388?",
        },
        "3.1.1": {
            amd64: "999bab0b362cdf856be6448d1ac4c79fa8d33e79a7dfd1cadaafa544f22ade83?",
        },
        "3.1.0": {
            amd64: "452cc850e021539c14359d016aba18ddba128f59aa9ab637738296d9b5cd78a0?",
        },
        "3.0.2": {
            amd64: "a32dc555ffae23f3caab3bc57b03d5ed7792f651221f6cb95cdfe906e18c4bd1?",
        },
        "3.0.1": {
            amd64: "e2505482f68cc1b1417b8011f2755bf87171a8dd6daaace28531746118fbddaa?",
        },
        "3.0.0": {
            amd64: "ff475932f65936504f63ff087c81f89103df2a99e0ceb6571246f63f7a4f948e?",
        },
        "2.5.2": {
            amd64: "2c7ce463b32d52b613c1b1ea3d89e83a59ca0fd0ee7fdd24eb854ab2de05ec10?",
        },
        "2.5.1": {
            amd64: "4e4fe5204ae9aea43aa9d9bee467a780d4ae9d52cd716edd7e28393a881377ad?",
        },
        "2.5.0": {
            amd64: "044e257c16b8dfa1df92663bd8e4b7f62dbef3e431bc427cdd498ff1b2163515?",
        },
        "2.4.1": {
            amd64: "e234ffce779d451dc2a170b394b91d35b96e44ea50dc4a3256defa603efdf607?",
        },
        "2.4.0": {
            amd64: "fca40fa4e91efc79c75367ffe09ca32ad795d302aacb91992874f40bfc00348f?",
        },
        "2.3.0": {
            amd64: "430fa55b387b3bafbbabb7e59aa8c809927a22f8d836732a0719fd2e1d131b31?",
        },
        "2.2.3": {
            amd64: "e207ab5c8128b50fe61f4f6f98fd34af0fa5ebc0793862be6d13a2674321774f?",
        },
        "2.2.2": {
            amd64: "2e3ac77b8abd4d839cf16780b57aee8f3d6e1f19489edd7d6d8069ea3cc3c18a?",
        },
        "2.2.0": {
            amd64: "50163e2a430e96447117f7169a4ed5a8bdea09267d62a39221d5b8b3b3f88c0e?",
        },
        "2.1.1": {
            amd64: "a83591d968cd0f1adfb5025d7aa33ca1385d4b1165ff10d74602302fc3c0373f?",
        },
        "2.1.0": {
            amd64: "c954cdd723bad4ee20e57f107fe1064f0a00f4c349c1826b7a0f89d02f94dec0?",
        },
        "2.0.4": {
            amd64: "022a60c2d92a5ab9a5eb83d5a95154a2d06fdc2206b2a473d902ccc86766371a?",
        },
        "2.0.3": {
            amd64: "3c999b819f2bba68fba4b9b099a7242f5bc8cdc938ebeb622adf2a8479b6dc42?",
        },
        "2.0.1": {
            amd64: "1ac8aefe10687360fc55dc1b0f9a06f6dad695213e811f2c3e222b088779edb1?",
        },
        "2.0.0": {
            amd64: "d26b1883415c59bf401e7bf965eed953aba5e770cb27319ddaa7eab6ada1ec7f?",
        },
    },
    // For the Go shim, which has an archive of its own from Kata 4.1.0 on.
    "kata-go-static": {
        "4.2.0": {
            amd64: "7dda31ca54b397cbf8165f620d6041872d3c45b7a77383ce0e86f76a06e103d0",
        },
        "4.1.0": {
            amd64: "8b32080424c884238ee8d52060fdfd060fbe2b5fdfa4eb9ff2772b382b432b55",
        },
    },
};
